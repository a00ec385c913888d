"""Loss and gradient as logitloss and its peers compute them, each by the call that its documentation names.

No package is imported before its ``load`` is called, and then only if it is installed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

import logitloss

Run = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Takes logits and labels; returns losses and gradients of the dtype of the logits.

Of the sigmoid: two arrays of this dtype. Of the softmax: rows of logits, and a class index for each row.
"""


class Implementation(NamedTuple):
    """One way to compute loss and gradient."""

    name: str
    modules: tuple[str, ...]
    """What must be installed; the version shown is that of the last."""
    dtypes: str
    load: Callable[[], Run]
    operation: str = "sigmoid"
    """Or softmax."""

    def installed(self) -> bool:
        """Whether its packages are there. Imports none of them."""
        return all(importlib.util.find_spec(module) for module in self.modules)

    def version(self) -> str:
        """Return the version of its package, once loaded."""
        return importlib.import_module(self.modules[-1]).__version__


def _load_logitloss() -> Run:
    return lambda logits, labels: logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)


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
    return with_torch(
        lambda z, x: torch.nn.functional.binary_cross_entropy_with_logits(x, z, reduction="none"),
    )


def _load_optax() -> Run:
    optax = importlib.import_module("optax")
    return _with_jax(lambda z, x: optax.sigmoid_binary_cross_entropy(x, z))


def _load_tensorflow() -> Run:
    tf = _import_tensorflow()
    return _with_tensorflow(lambda z, x: tf.nn.sigmoid_cross_entropy_with_logits(labels=z, logits=x))


def _load_keras() -> Run:
    """The loss of ``BinaryCrossentropy(from_logits=True)``."""
    return _with_keras(lambda keras: lambda z, x: keras.ops.binary_crossentropy(z, x, from_logits=True))


def _with_keras(loss_of: Callable[[Any], Loss]) -> Run:
    """On the backend that the user's configuration names; ``loss_of`` is given the imported package."""
    _quiet_tensorflow()
    keras = importlib.import_module("keras")
    with_backend = {"torch": with_torch, "jax": _with_jax, "tensorflow": _with_tensorflow}.get(keras.backend.backend())
    if with_backend is None:
        raise ImportError(f"no gradients on the {keras.backend.backend()} backend of Keras")
    return with_backend(loss_of(keras))


Loss = Callable[[Any, Any], Any]
"""A framework's loss of labels and logits."""


def with_torch(loss_of: Loss) -> Run:
    """Return loss and gradient by PyTorch's differentiation; the loss is given tensors on the CPU."""
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
    Implementation("logitloss", ("logitloss",), _ALL, _load_logitloss),
    Implementation("NumPy formula", ("numpy",), _ALL, _load_numpy),
    Implementation("SciPy", ("scipy",), "float32 float64 float16", _load_scipy),
    Implementation("scikit-learn", ("sklearn",), "float32 float64", _load_sklearn),
    Implementation("PyTorch", ("torch",), _ALL, _load_torch),
    Implementation("optax (JAX)", ("jax", "optax"), _ALL, _load_optax),
    Implementation("TensorFlow", ("tensorflow",), _ALL, _load_tensorflow),
    Implementation("Keras", ("keras",), _ALL, _load_keras),
)


def _load_softmax_numpy() -> Run:
    """The formula of the textbooks, ``log(sum(exp(x - m))) - (x_y - m)``, and the probabilities minus the label."""

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shifted = logits - logits.max(axis=-1, keepdims=True)
        powers = np.exp(shifted)
        total = powers.sum(axis=-1, keepdims=True)
        return np.log(total[:, 0]) - _of_label(shifted, labels), _minus_label(powers / total, labels)

    return run


def _load_softmax_scipy() -> Run:
    special = importlib.import_module("scipy.special")

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        loss = -_of_label(special.log_softmax(logits, axis=-1), labels)
        gradient = _minus_label(special.softmax(logits, axis=-1), labels)
        return loss.astype(logits.dtype), gradient.astype(logits.dtype)

    return run


def _load_softmax_sklearn() -> Run:
    loss_of = importlib.import_module("sklearn._loss").HalfMultinomialLoss

    def run(logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        multinomial, classes = loss_of(n_classes=logits.shape[1]), labels.astype(logits.dtype)
        return multinomial.loss(classes, logits), multinomial.gradient(classes, logits)

    return run


def _load_softmax_torch() -> Run:
    torch = importlib.import_module("torch")
    return with_torch(lambda y, x: torch.nn.functional.cross_entropy(x, y, reduction="none"))


def _load_softmax_optax() -> Run:
    optax = importlib.import_module("optax")
    return _with_jax(lambda y, x: optax.softmax_cross_entropy_with_integer_labels(x, y))


def _load_softmax_tensorflow() -> Run:
    tf = _import_tensorflow()
    return _with_tensorflow(lambda y, x: tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x))


def _of_label(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return rows[np.arange(len(rows)), labels]


def _minus_label(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    probabilities[np.arange(len(labels)), labels] -= probabilities.dtype.type(1)
    return probabilities


_SOFTMAX_LOADS = {
    "logitloss": lambda: lambda x, y: logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x),
    "NumPy formula": _load_softmax_numpy,
    "SciPy": _load_softmax_scipy,
    "scikit-learn": _load_softmax_sklearn,
    "PyTorch": _load_softmax_torch,
    "optax (JAX)": _load_softmax_optax,
    "TensorFlow": _load_softmax_tensorflow,
    "Keras": lambda: _with_keras(lambda k: lambda y, x: k.ops.sparse_categorical_crossentropy(y, x, from_logits=True)),
}

SOFTMAX_IMPLEMENTATIONS = tuple(
    one._replace(load=_SOFTMAX_LOADS[one.name], operation="softmax") for one in IMPLEMENTATIONS
)
