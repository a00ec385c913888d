"""logitloss and the peers that work on NumPy arrays, each by the fastest call that its documentation names.

An implementation is loaded only if it is installed. It is given a case and its arrays once and returns the call to
time.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

import logitloss
from logitloss import ufuncs
from logitloss.bench import frameworks
from logitloss.bench.cases import Case
from logitloss.bench.frameworks import Prepare, Prepared


class Loaded(NamedTuple):
    """An implementation whose packages are imported."""

    name: str
    version: str
    prepare: Prepare


class Implementation(NamedTuple):
    """One way to compute the losses."""

    name: str
    modules: tuple[str, ...]
    """What must be installed; the version shown is that of the last."""
    load: Callable[[int], Prepare]
    """Imports the packages and tells them how many threads to use."""

    def installed(self) -> bool:
        """Whether its packages are there. Imports none of them."""
        return all(importlib.util.find_spec(module) for module in self.modules)


def load(
    threads: int, names: tuple[str, ...] = (), note: Callable[[str], None] = lambda text: None
) -> Iterator[Loaded]:
    """Load the installed implementations, or those of them that are named; a note tells what cannot be imported."""
    for implementation in IMPLEMENTATIONS:
        if (not names or implementation.name in names) and implementation.installed():
            try:
                prepare = implementation.load(threads)
            except ImportError as error:  # installed, but not for this machine, or without a part that it needs
                note(f"{implementation.name} could not be imported: {error}")
                continue
            yield Loaded(implementation.name, importlib.import_module(implementation.modules[-1]).__version__, prepare)


def _load_logitloss(threads: int) -> Prepare:
    logitloss.set_num_threads(threads)

    def prepare(case: Case, x: np.ndarray, z: np.ndarray) -> Prepared:
        out = np.ones_like(x)
        if case.op == "grad_and_hess":
            both = (out, np.ones_like(x))
            return Prepared(lambda: ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z, out=both))
        return {
            "forward": Prepared(lambda: ufuncs.sigmoid_cross_entropy(x, z, out=out), _single),
            "call": Prepared(lambda: logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x), _single),
            "mean": Prepared(lambda: logitloss.sigmoid_cross_entropy_total(labels=z, logits=x).mean(), _single),
            "mean_and_grad": Prepared(
                lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x, out=out)
            ),
            "sparse_forward": Prepared(
                lambda: logitloss.sparse_softmax_cross_entropy_with_logits(labels=z, logits=x), _single
            ),
            "sparse_mean_and_grad": Prepared(
                lambda: logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=z, logits=x, out=out)
            ),
        }[case.op]

    return prepare


def _load_logitloss_for_torch(threads: int, compiled: bool = False) -> Prepare:
    logitloss.set_num_threads(threads)
    return frameworks.torch(threads, compiled, losses="logitloss.torch")


def _load_numpy(threads: int) -> Prepare:
    """The documented formula; it has one thread."""

    def loss(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return np.maximum(x, x.dtype.type(0)) - x * z + np.log1p(np.exp(-np.abs(x)))

    def sigmoid(x: np.ndarray) -> np.ndarray:
        one = x.dtype.type(1)
        return one / (one + np.exp(-x))

    return _elementwise(loss, sigmoid)


def _load_scipy(threads: int) -> Prepare:
    special = importlib.import_module("scipy.special")

    def loss(x: np.ndarray, z: np.ndarray) -> np.ndarray:
        return -(z * special.log_expit(x) + (x.dtype.type(1) - z) * special.log_expit(-x))

    elementwise = _elementwise(loss, special.expit)

    def prepare(case: Case, x: np.ndarray, z: np.ndarray) -> Prepared | None:
        if not case.op.startswith("sparse"):
            return elementwise(case, x, z)
        rows = np.arange(len(x))

        def losses() -> np.ndarray:
            return special.logsumexp(x, axis=-1) - x[rows, z]

        def both() -> tuple[np.floating, np.ndarray]:
            gradient = special.softmax(x, axis=-1)
            mean = -np.log(gradient[rows, z]).mean()
            gradient[rows, z] -= 1
            gradient /= len(x)
            return mean, gradient

        return Prepared(losses, _single) if case.op == "sparse_forward" else Prepared(both)

    return prepare


def _elementwise(loss: Callable[..., np.ndarray], sigmoid: Callable[..., np.ndarray]) -> Prepare:
    """What a loss and a sigmoid of NumPy arrays give."""

    def prepare(case: Case, x: np.ndarray, z: np.ndarray) -> Prepared | None:
        def hessian() -> tuple[np.ndarray, np.ndarray]:
            s = sigmoid(x)
            return s - z, s * (x.dtype.type(1) - s)

        return {
            "forward": Prepared(lambda: loss(x, z), _single),
            "call": Prepared(lambda: loss(x, z), _single),
            "mean": Prepared(lambda: loss(x, z).mean(), _single),
            "mean_and_grad": Prepared(lambda: (loss(x, z).mean(), (sigmoid(x) - z) / x.dtype.type(x.size))),
            "grad_and_hess": Prepared(hessian),
        }.get(case.op)

    return prepare


def _load_numexpr(threads: int) -> Prepare:
    numexpr = importlib.import_module("numexpr")
    numexpr.set_num_threads(threads)
    loss = "where(x > 0, x, zero) - x * z + log1p(exp(-abs(x)))"

    def prepare(case: Case, x: np.ndarray, z: np.ndarray) -> Prepared | None:
        if x.dtype.itemsize < 4:
            return None
        names = {"x": x, "z": z, "zero": x.dtype.type(0), "one": x.dtype.type(1), "n": x.dtype.type(x.size)}
        out = np.ones_like(x)

        def evaluate(expression: str, **options: Any) -> Any:
            return numexpr.evaluate(expression, names, {}, **options)

        def both() -> tuple[Any, Any]:
            return evaluate(f"sum({loss})") / x.size, evaluate("(one / (one + exp(-x)) - z) / n", out=out)

        return {
            "forward": Prepared(lambda: evaluate(loss, out=out), _single),
            "call": Prepared(lambda: evaluate(loss), _single),
            "mean": Prepared(lambda: evaluate(f"sum({loss})") / x.size, _single),
            "mean_and_grad": Prepared(both),
        }.get(case.op)

    return prepare


def _load_sklearn(threads: int) -> Prepare:
    half_binomial = importlib.import_module("sklearn._loss").HalfBinomialLoss()

    def prepare(case: Case, x: np.ndarray, z: np.ndarray) -> Prepared | None:
        if x.dtype.itemsize < 4 or x.dtype != z.dtype:
            return None
        a, b = np.ones_like(x), np.ones_like(x)

        def both() -> tuple[np.floating, np.ndarray]:
            half_binomial.loss_gradient(z, x, loss_out=a, gradient_out=b, n_threads=threads)
            return a.mean(), np.divide(b, x.dtype.type(x.size), out=b)

        def losses() -> np.ndarray:
            return half_binomial.loss(z, x, loss_out=a, n_threads=threads)

        return {
            "forward": Prepared(losses, _single),
            "call": Prepared(lambda: half_binomial.loss(z, x), _single),
            "mean": Prepared(lambda: losses().mean(), _single),
            "mean_and_grad": Prepared(both),
            "grad_and_hess": Prepared(
                lambda: half_binomial.gradient_hessian(z, x, gradient_out=a, hessian_out=b, n_threads=threads)
            ),
        }.get(case.op)

    return prepare


def _single(result: Any) -> tuple[Any]:
    return (result,)


IMPLEMENTATIONS = (
    Implementation("logitloss", ("logitloss",), _load_logitloss),
    Implementation("NumPy formula", ("numpy",), _load_numpy),
    Implementation("numexpr", ("numexpr",), _load_numexpr),
    Implementation("SciPy", ("scipy",), _load_scipy),
    Implementation("scikit-learn", ("sklearn",), _load_sklearn),
    Implementation("logitloss.torch", ("logitloss", "torch"), _load_logitloss_for_torch),
    Implementation(
        "logitloss.torch, compile",
        ("logitloss", "torch"),
        lambda threads: _load_logitloss_for_torch(threads, compiled=True),
    ),
    Implementation("torch eager", ("torch",), lambda threads: frameworks.torch(threads, compiled=False)),
    Implementation("torch.compile", ("torch",), lambda threads: frameworks.torch(threads, compiled=True)),
    Implementation(
        "logitloss.jax, jit", ("jax", "logitloss"), lambda threads: frameworks.jax(threads, "logitloss.jax")
    ),
    Implementation("jax.jit", ("optax", "jax"), lambda threads: frameworks.jax(threads, "optax")),
    Implementation("TensorFlow eager", ("tensorflow",), lambda threads: frameworks.tensorflow(threads, "eager")),
    Implementation("TensorFlow XLA", ("tensorflow",), lambda threads: frameworks.tensorflow(threads, "XLA")),
    *(
        Implementation(
            f"logitloss.tensorflow {mode}",
            ("tensorflow", "logitloss"),
            lambda threads, mode=mode: frameworks.tensorflow(threads, mode, own=True),
        )
        for mode in ("eager", "function", "XLA")
    ),
)
