"""What is computed on which arrays, and the definition that every result is held against before it is timed."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from logitloss.accuracy.zones import dtype_of

OPS = {
    "forward": "losses into a given array",
    "mean": "mean of the losses",
    "mean_and_grad": "mean of the losses, its gradient",
    "grad_and_hess": "gradient and hessian",
    "call": "losses by the public function, on few elements",
    "sparse_forward": "sparse softmax losses",
    "sparse_mean_and_grad": "mean of the sparse softmax losses, its gradient",
}


class Case(NamedTuple):
    """One thing to time."""

    op: str
    """One of :data:`OPS`."""
    dtype: str
    labels: str
    """hard or soft labels of that dtype; bool or uint8 for hard labels of those; class for class indices, int64."""
    shape: tuple[int, ...]
    """(elements,), or (rows, classes) for the sparse softmax."""
    only: tuple[str, ...] = ()
    """Names of implementations; none means all."""

    def __str__(self) -> str:
        return f"{self.op}, {self.dtype}, {self.labels} labels, {size_of(self.shape)}"


class WrongResult(RuntimeError):
    """An implementation's result is not the loss of the definition."""


class Expected(NamedTuple):
    """The truth at a sample of the elements, or rows, and the error that is let pass."""

    at: slice
    outputs: tuple[tuple[Any, Any], ...]
    """For each output its value and the largest error, both float64."""


def size_of(shape: tuple[int, ...]) -> str:
    """Return the size as it is printed: 1000 or 512x32768."""
    return "x".join(map(str, shape))


def draw(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return logits, uniform in [-6, 6], and labels that agree with them more often than not, the same in every run."""
    random = np.random.default_rng(20130101)
    dtype = dtype_of(case.dtype)
    logits = random.random(case.shape, np.float64 if case.dtype == "float64" else np.float32)
    logits = (logits * 12 - 6).astype(dtype, copy=False)
    if case.labels == "class":
        return logits, random.integers(0, case.shape[-1], case.shape[:-1])
    right = logits > random.random(case.shape, np.float32) * 12 - 6
    if case.labels == "soft":
        return logits, ((1 - random.random(case.shape, np.float32)) / 4 + right * np.float32(0.75)).astype(dtype)
    return logits, right.astype(dtype if case.labels == "hard" else case.labels)


def expected(case: Case, logits: np.ndarray, labels: np.ndarray) -> Expected:
    """Return what the definition gives in float64, at some 4000 elements or rows, and the mean over all of them.

    The error let pass is what a formula that subtracts numbers as large as the logits must be granted, and a mean what
    plain sums of float32 lose: peers lose digits, and ``logitloss accuracy`` measures that. A wrong formula, scale,
    label or place is far outside.
    """
    sparse = case.op.startswith("sparse")
    rows = case.shape[0]
    at = slice(None, None, max(1, rows // (64 if sparse else 4000)))
    x, z = logits[at].astype(np.float64), labels[at]
    derive = _sparse if sparse else _sigmoid
    loss, gradient, hessian = derive(x, z)
    kind = dtype_of(case.dtype)
    unit = _epsilon(kind)
    slack = 4 * unit * (1 + abs(x))
    if case.op in ("forward", "call", "sparse_forward"):
        return Expected(at, ((loss, 64 * unit * (1 + loss) if sparse else slack),))
    if case.op == "grad_and_hess":
        return Expected(at, ((gradient, slack), (hessian, slack)))
    mean = math.fsum(derive(x, z)[0].sum() for x, z in _parts(logits, labels)) / rows
    outputs: list[tuple[Any, Any]] = [(mean, (2**-8 + 4 * unit) * mean)]
    if case.op.endswith("grad"):
        smallest = float(np.nextafter(kind.type(0), kind.type(1)))
        outputs.append((gradient / rows, slack / rows + smallest))
    return Expected(at, tuple(outputs))


def verify(case: Case, name: str, got: tuple[Any, ...], want: Expected) -> None:
    """Raise :class:`WrongResult`, saying where, unless all outputs are those expected."""
    if len(got) != len(want.outputs):
        raise WrongResult(f"{name} on {case}: expected {len(want.outputs)} outputs, got {len(got)}.")
    for number, (output, (value, slack)) in enumerate(zip(got, want.outputs, strict=True)):
        found = np.asarray(output).astype(np.float64)
        found = found[want.at] if found.ndim else found
        if found.shape != np.shape(value):
            raise WrongResult(f"{name} on {case}: output {number} has the wrong shape, {np.shape(output)}.")
        excess = np.abs(found - value) - slack
        if not (excess <= 0).all():
            worst = np.unravel_index(np.argmax(np.where(np.isnan(excess), np.inf, excess)), excess.shape)
            raise WrongResult(
                f"{name} on {case}: output {number} is {found[worst]:.9g} where the definition gives "
                f"{np.asarray(value)[worst]:.9g}, so it was not timed."
            )


def _sigmoid(x: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    z = z.astype(np.float64)
    small = np.exp(-abs(x))
    loss = np.where(x > 0, (1 - z) * x, -z * x) + np.log1p(small)
    return loss, np.where(x > 0, 1.0, small) / (1 + small) - z, small / (1 + small) ** 2


def _sparse(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    largest = x.max(axis=-1, keepdims=True)
    powers = np.exp(x - largest)
    total = powers.sum(axis=-1, keepdims=True)
    here = y[:, None] == np.arange(x.shape[-1])
    loss = (np.log(total) + largest)[:, 0] - x[here]
    return loss, powers / total - here, powers


def _parts(logits: np.ndarray, labels: np.ndarray):
    """Cut the arrays, so that float64 copies stay small."""
    step = max(1, 2**20 // math.prod(logits.shape[1:]))
    for start in range(0, len(logits), step):
        yield logits[start : start + step].astype(np.float64), labels[start : start + step]


def _epsilon(dtype: np.dtype) -> float:
    one = dtype.type(1)
    return float(np.nextafter(one, dtype.type(2)) - one)
