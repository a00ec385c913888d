"""Where the implementations are compared: zones of logits and labels, drawn for each dtype, the same in every run."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable

import numpy as np

from logitloss.accuracy.meter import FORMATS

Pairs = tuple[np.ndarray, np.ndarray]
Zone = Callable[[np.random.Generator, int, np.dtype], Pairs]
RowZone = Callable[[np.random.Generator, int, np.dtype], np.ndarray]
"""Rows of so many logits in all, as nearly as rows can be."""


def dtype_of(name: str) -> np.dtype:
    """Return the NumPy dtype of a name; bfloat16 is that of ml_dtypes."""
    return np.dtype(importlib.import_module("ml_dtypes").bfloat16 if name == "bfloat16" else name)


def draw(zone: str, dtype: str, points: int) -> Pairs:
    """Return up to ``points`` pairs of logits and labels of a zone, none of them twice."""
    target = dtype_of(dtype)
    rng = np.random.default_rng([list(ZONES).index(zone), *dtype.encode()])
    with np.errstate(all="ignore"):
        logits, labels = (values.astype(target) for values in ZONES[zone](rng, points, target))
    pairs = np.stack([logits, labels], axis=1).astype(np.float64)
    pairs = np.unique(pairs[np.isfinite(pairs).all(axis=1)], axis=0)
    return pairs[:, 0].astype(target), pairs[:, 1].astype(target)


def draw_rows(zone: str, dtype: str, points: int) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of a softmax zone, one or as many as have ``points`` logits in all, and two labels for each row.

    The labels are the first class with the largest logit, and another.
    """
    target = dtype_of(dtype)
    rng = np.random.default_rng([list(SOFTMAX_ZONES).index(zone), *b"softmax", *dtype.encode()])
    logits = SOFTMAX_ZONES[zone](rng, points, target).astype(target)
    rows, classes = logits.shape
    largest = logits.astype(np.float64).argmax(axis=1)
    return logits, np.stack([largest, (largest + rng.integers(1, classes, rows)) % classes], axis=1)


def _hard(bound: float) -> Zone:
    return lambda rng, n, dtype: (_spread(rng, n, bound, dtype), _either(rng, n, 0, 1))


def _soft(rng: np.random.Generator, n: int, dtype: np.dtype) -> Pairs:
    return _spread(rng, n, 20, dtype), rng.random(n)


def _near_certain(rng: np.random.Generator, n: int, dtype: np.dtype) -> Pairs:
    """Labels next to 0 or 1, and logits large enough to bring the difference out."""
    form = FORMATS[dtype.name]
    rest = np.exp2(rng.uniform(-form.digits, -2, n))
    logits = _either(rng, n, -1, 1) * np.exp2(rng.uniform(-3, min(27, form.most - 1), n))
    return logits, np.where(rng.random(n) < 0.5, rest, 1 - rest)


def _tails(rng: np.random.Generator, n: int, dtype: np.dtype) -> Pairs:
    """Hard labels, and logits from where the small results are small to where they vanish; half among subnormals."""
    form = FORMATS[dtype.name]
    vanishing = math.log(2) * (1 - form.least)
    start = np.where(rng.random(n) < 0.5, vanishing / 2, vanishing - math.log(2) * form.digits)
    return _either(rng, n, -1, 1) * rng.uniform(start, vanishing + 1), _either(rng, n, 0, 1)


def _root(rng: np.random.Generator, n: int, dtype: np.dtype) -> Pairs:
    """The label nearest to the sigmoid of a logit, or the logit whose sigmoid is nearest to a label."""
    x = _spread(rng, n, 40, dtype).astype(dtype).astype(np.float64)
    z = rng.random(n).astype(dtype).astype(np.float64)
    from_logit = rng.random(n) < 0.5
    return np.where(from_logit, x, np.log(z / (1 - z))), np.where(from_logit, 1 / (1 + np.exp(-x)), z)


def _spread(rng: np.random.Generator, n: int, bound: float, dtype: np.dtype) -> np.ndarray:
    """Numbers below a bound in size: half of them uniform, the others uniform in their logarithm."""
    smallest = -FORMATS[dtype.name].digits
    sizes = np.where(rng.random(n) < 0.5, rng.uniform(0, bound, n), np.exp2(rng.uniform(smallest, math.log2(bound), n)))
    return _either(rng, n, -1, 1) * sizes


def _either(rng: np.random.Generator, n: int, a: float, b: float) -> np.ndarray:
    return np.where(rng.random(n) < 0.5, float(a), float(b))


def _normal(classes: int, scale: float) -> RowZone:
    return lambda rng, n, dtype: rng.normal(0, scale, (-(-n // classes), classes))


def _far_ahead(rng: np.random.Generator, n: int, dtype: np.dtype) -> np.ndarray:
    """One class leads by up to where the probability of the others vanishes."""
    rows = rng.normal(0, 1, (-(-n // 3), 3))
    vanishing = math.log(2) * (1 - FORMATS[dtype.name].least)
    rows[np.arange(len(rows)), rng.integers(0, 3, len(rows))] += rng.uniform(0, vanishing, len(rows))
    return rows


def _ties(rng: np.random.Generator, n: int, dtype: np.dtype) -> np.ndarray:
    """Each logit is the row's first or its second number: two are equal, and in a quarter of the rows all three."""
    pairs = rng.normal(0, 8, (-(-n // 3), 2))
    return np.take_along_axis(pairs, rng.integers(0, 2, (len(pairs), 3)), axis=1)


def _tiny_spread(rng: np.random.Generator, n: int, dtype: np.dtype) -> np.ndarray:
    """Logits next to 0, down to half a unit of 1."""
    sizes = np.exp2(rng.uniform(-FORMATS[dtype.name].digits, -3, (-(-n // 3), 1)))
    return rng.normal(0, 1, (len(sizes), 3)) * sizes


ZONES: dict[str, Zone] = {
    "hard, |x| < 20": _hard(20),
    "hard, |x| < 100": _hard(100),
    "soft, |x| < 20": _soft,
    "near-certain": _near_certain,
    "tails": _tails,
    "root of gradient": _root,
}

SOFTMAX_ZONES: dict[str, RowZone] = {
    "spread 1": _normal(3, 1),
    "spread 30": _normal(3, 30),
    "one far ahead": _far_ahead,
    "ties": _ties,
    "tiny spread": _tiny_spread,
    "10 classes": _normal(10, 4),
    "1000 classes": _normal(1000, 4),
}
