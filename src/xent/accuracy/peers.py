"""Loss and gradient as xent and its peers compute them, each by the call that its documentation names.

No package is imported before its ``load`` is called, and then only if it is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import xent

Run = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Takes logits and labels of one dtype; returns losses and gradients of this dtype."""


class Implementation(NamedTuple):
    """One way to compute loss and gradient."""

    name: str
    modules: tuple[str, ...]
    """What must be installed; the version shown is that of the last."""
    dtypes: str
    load: Callable[[], Run]

    def installed(self) -> bool:
        """Whether its packages are there. Imports none of them."""
        return all(importlib.util.find_spec(module) for module in self.modules)

    def version(self) -> str:
        """Return the version of its package, once loaded."""
        return importlib.import_module(self.modules[-1]).__version__


def _load_xent() -> Run:
    return lambda logits, labels: xent.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)


def _load_numpy() -> Run:
    """The documented formula, ``max(x, 0) - x * z + log(1 + exp(-abs(x)))``."""

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        zero, one = logits.dtype.type(0), logits.dtype.type(1)
        with np.errstate(all="ignore"):
            loss = np.maximum(logits, zero) - logits * labels + np.log1p(np.exp(-np.abs(logits)))
            return loss, one / (one + np.exp(-logits)) - labels

    return run


def _load_scipy() -> Run:
    special = importlib.import_module("scipy.special")

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss = -(labels * special.log_expit(logits) + (1 - labels) * special.log_expit(-logits))
        return loss.astype(logits.dtype), (special.expit(logits) - labels).astype(logits.dtype)

    return run


def _load_sklearn() -> Run:
    half_binomial = importlib.import_module("sklearn._loss").HalfBinomialLoss()
    return lambda logits, labels: (half_binomial.loss(labels, logits), half_binomial.gradient(labels, logits))


def _load_torch() -> Run:
    torch = importlib.import_module("torch")
    return _with_torch(
        lambda z, x: torch.nn.functional.binary_cross_entropy_with_logits(x, z, reduction="none"),
    )


def _load_optax() -> Run:
    optax = importlib.import_module("optax")
    return _with_jax(lambda z, x: optax.sigmoid_binary_cross_entropy(x, z))


def _load_tensorflow() -> Run:
    tf = _import_tensorflow()
    return _with_tensorflow(lambda z, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x))


def _load_keras() -> Run:
    """The loss of ``BinaryCrossentropy(from_logits=True)`` on the backend that the user's configuration names."""
    _quiet_tensorflow()
    keras = importlib.import_module("keras")
    with_backend = {"torch": _with_torch, "jax": _with_jax, "tensorflow": _with_tensorflow}.get(keras.backend.backend())
    if with_backend is None:
        raise ImportError(f"no gradients on the {keras.backend.backend()} backend of Keras")
    return with_backend(lambda z, x: keras.ops.binary_crossentropy(z, x, from_logits=True))


Loss = Callable[[Any, Any], Any]
"""A framework's loss of labels and logits."""


def _with_torch(loss_of: Loss) -> Run:
    torch = importlib.import_module("torch")

    def tensor(array: np.ndarray) -> Any:
        if array.dtype.name != "bfloat16":
            return torch.from_numpy(array)
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = tensor(logits.copy()).requires_grad_()
        loss = loss_of(tensor(labels.copy()), x)
        loss.backward(torch.ones_like(loss))
        loss, gradient = loss.detach(), x.grad
        if logits.dtype.name == "bfloat16":
            loss, gradient = loss.view(torch.int16), gradient.view(torch.int16)
        return loss.numpy().view(logits.dtype), gradient.numpy().view(logits.dtype)

    return run


def _with_jax(loss_of: Loss) -> Run:
    jax = importlib.import_module("jax")

    @jax.jit
    def both(z: Any, x: Any) -> Any:
        loss, pull_back = jax.vjp(lambda x: loss_of(z, x), x)
        return loss, pull_back(jax.numpy.ones_like(loss))[0]

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        with jax.enable_x64(True):
            loss, gradient = both(labels, logits)
            return np.asarray(loss), np.asarray(gradient)

    return run


def _with_tensorflow(loss_of: Loss) -> Run:
    tf = _import_tensorflow()

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, z = tf.constant(logits), tf.constant(labels)
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = loss_of(z, x)
        return loss.numpy(), tape.gradient(loss, x).numpy()

    return run


def _quiet_tensorflow() -> None:
    """Keep its notes about processor features off the terminal, unless the user asked for them."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def _import_tensorflow() -> Any:
    _quiet_tensorflow()
    return importlib.import_module("tensorflow")


_ALL = "float32 float64 float16 bfloat16"

IMPLEMENTATIONS = (
    Implementation("xent", ("xent",), _ALL, _load_xent),
    Implementation("NumPy formula", ("numpy",), _ALL, _load_numpy),
    Implementation("SciPy", ("scipy",), "float32 float64 float16", _load_scipy),
    Implementation("scikit-learn", ("sklearn",), "float32 float64", _load_sklearn),
    Implementation("PyTorch", ("torch",), _ALL, _load_torch),
    Implementation("optax (JAX)", ("jax", "optax"), _ALL, _load_optax),
    Implementation("TensorFlow", ("tensorflow",), _ALL, _load_tensorflow),
    Implementation("Keras", ("keras",), _ALL, _load_keras),
)
