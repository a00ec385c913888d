"""The losses for NumPy arrays, and for what NumPy can make arrays of or gives its ufuncs to: checks, then the core.

This is an adapter like those of the frameworks: its functions have the names and arguments of the public ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks, _chunks, _core, ufuncs
from ._exact import ExactSum


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of arrays."""
    loss = _core.sigmoid_cross_entropy_fast(logits, labels)
    if loss is not None:
        return loss
    labels, logits = _checks.pair(labels, logits, name)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy, logits, labels)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy_value_and_grad, logits, labels)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy_grad_and_hess, logits, labels)


def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    _checks.numpy_only(labels, logits)
    gradient = _checks.gradient_out(out, logits)
    return _total(labels, logits, gradient).mean(), gradient


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return :func:`logitloss.sigmoid_cross_entropy_total` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    _checks.numpy_only(labels, logits)
    return _total(labels, logits)


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of arrays."""
    labels, logits = _checks.pair(labels, logits, name)
    weight = _checks.pos_weight(pos_weight, logits, name)
    return _chunks.elementwise(ufuncs.weighted_sigmoid_cross_entropy, logits, labels, weight)


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis, name)
    return _chunks.rows(ufuncs.softmax_cross_entropy, [(axis,), (axis,), ()], logits, labels)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis)
    axes = [(axis,), (axis,), (), (axis,)]
    return _chunks.rows(ufuncs.softmax_cross_entropy_value_and_grad, axes, logits, labels)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.softmax_cross_entropy_mean_and_grad` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis)
    _checks.numpy_only(labels, logits)
    axes = [(axis,), (axis,), (), (), (axis,)]
    return _mean(_core.softmax_cross_entropy_value_and_grad_divided, labels, logits, axis, axes, out)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits, name)
    return _chunks.rows(ufuncs.sparse_softmax_cross_entropy, [(-1,), (), ()], logits, labels)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits)
    axes = [(-1,), (), (), (-1,)]
    return _chunks.rows(ufuncs.sparse_softmax_cross_entropy_value_and_grad, axes, logits, labels)


def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits)
    _checks.numpy_only(labels, logits)
    axes = [(-1,), (), (), (), (-1,)]
    return _mean(_core.sparse_softmax_cross_entropy_value_and_grad_divided, labels, logits, -1, axes, out)


def _total(labels: np.ndarray, logits: np.ndarray, *gradient: np.ndarray) -> ExactSum:
    """The sum of the losses; ``gradient`` takes that of the mean."""
    total, divisor = ExactSum(), float(logits.size)
    for (x, z), slope in _chunks.chunks((logits, labels), gradient):
        total._add(x.size, _core.sigmoid_cross_entropy_total(x, z, slope[0] if slope else None, divisor))
    return total


def _mean(
    ufunc: np.ufunc, labels: np.ndarray, logits: np.ndarray, axis: int, axes: list, out: np.ndarray | None
) -> tuple[float, np.ndarray]:
    rows = logits.size // logits.shape[axis]
    gradient = _checks.gradient_out(out, logits)
    loss, _ = _chunks.rows(ufunc, axes, logits, labels, float(rows), out=gradient)
    return ExactSum(loss).mean(), gradient
