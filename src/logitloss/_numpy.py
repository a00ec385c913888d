"""The losses for NumPy arrays, and for what NumPy can make arrays of or gives its ufuncs to: checks, then the core.

This is an adapter like those of the frameworks: its functions have the names and arguments of the public ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks, _chunks, _core, _masks, ufuncs
from ._exact import ExactSum


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, where: Any = None, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of arrays."""
    loss = _core.sigmoid_cross_entropy_fast(logits, labels) if where is None else None
    if loss is not None:
        return loss
    labels, logits = _checks.pair(labels, logits, name)
    if where is not None:
        return _masks.elementwise(("loss",), labels, logits, where, name=name)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy, logits, labels)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    if where is not None:
        return _masks.elementwise(("loss", "gradient"), labels, logits, where)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy_value_and_grad, logits, labels)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    if where is not None:
        return _masks.elementwise(("gradient", "hessian"), labels, logits, where)
    return _chunks.elementwise(ufuncs.sigmoid_cross_entropy_grad_and_hess, logits, labels)


def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    _checks.numpy_only(labels, logits)
    gradient = _checks.gradient_out(out, logits)
    return _total(labels, logits, where, gradient).mean(), gradient


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any, where: Any = None) -> ExactSum:
    """Return :func:`logitloss.sigmoid_cross_entropy_total` of arrays."""
    labels, logits = _checks.pair(labels, logits)
    _checks.numpy_only(labels, logits)
    return _total(labels, logits, where)


def weighted_cross_entropy_with_logits(
    *, labels: Any, logits: Any, pos_weight: Any, where: Any = None, name: str | None = None
) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of arrays."""
    labels, logits = _checks.pair(labels, logits, name)
    weight = _checks.pos_weight(pos_weight, logits, name)
    if where is not None:
        return _masks.elementwise(("loss",), labels, logits, where, weight, name)
    return _chunks.elementwise(ufuncs.weighted_sigmoid_cross_entropy, logits, labels, weight)


def softmax_cross_entropy_with_logits(
    *, labels: Any, logits: Any, axis: int = -1, where: Any = None, name: str | None = None
) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis, name)
    mask = _masks.of_rows(where, labels, logits, axis, name)
    loss = _chunks.rows(ufuncs.softmax_cross_entropy, [(axis,), (axis,), ()], logits, labels)
    return _masks.clear_rows(mask, axis, loss)


def softmax_cross_entropy_value_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, where: Any = None
) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis)
    mask = _masks.of_rows(where, labels, logits, axis)
    axes = [(axis,), (axis,), (), (axis,)]
    results = _chunks.rows(ufuncs.softmax_cross_entropy_value_and_grad, axes, logits, labels)
    return _masks.clear_rows(mask, axis, *results)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.softmax_cross_entropy_mean_and_grad` of arrays."""
    labels, logits, axis = _checks.softmax_pair(labels, logits, axis)
    _checks.numpy_only(labels, logits)
    axes = [(axis,), (axis,), (), (), (axis,)]
    return _mean(_core.softmax_cross_entropy_value_and_grad_divided, labels, logits, axis, axes, out, where)


def sparse_softmax_cross_entropy_with_logits(
    *, labels: Any, logits: Any, where: Any = None, name: str | None = None
) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits, name, where)
    mask = _masks.of_rows(where, labels, logits, -1, name)
    loss = _chunks.rows(ufuncs.sparse_softmax_cross_entropy, [(-1,), (), ()], logits, labels)
    return _masks.clear_rows(mask, -1, loss)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits, where=where)
    mask = _masks.of_rows(where, labels, logits, -1)
    axes = [(-1,), (), (), (-1,)]
    results = _chunks.rows(ufuncs.sparse_softmax_cross_entropy_value_and_grad, axes, logits, labels)
    return _masks.clear_rows(mask, -1, *results)


def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad` of arrays."""
    labels, logits = _checks.sparse_pair(labels, logits, where=where)
    _checks.numpy_only(labels, logits)
    axes = [(-1,), (), (), (), (-1,)]
    return _mean(_core.sparse_softmax_cross_entropy_value_and_grad_divided, labels, logits, -1, axes, out, where)


def _total(labels: np.ndarray, logits: np.ndarray, where: Any, *gradient: np.ndarray) -> ExactSum:
    """The sum of the losses; ``gradient`` takes that of the mean."""
    if where is not None:
        return _masks.total(labels, logits, where, *gradient)
    total, divisor = ExactSum(), float(logits.size)
    for (x, z), slope in _chunks.chunks((logits, labels), gradient):
        total._add(x.size, _core.sigmoid_cross_entropy_total(x, z, slope[0] if slope else None, divisor))
    return total


def _mean(
    ufunc: np.ufunc, labels: np.ndarray, logits: np.ndarray, axis: int, axes: list, out: Any, where: Any
) -> tuple[float, np.ndarray]:
    mask = _masks.of_rows(where, labels, logits, axis)
    rows = logits.size // logits.shape[axis] if mask is None else int(np.count_nonzero(mask))
    gradient = _checks.gradient_out(out, logits)
    loss, _ = _chunks.rows(ufunc, axes, logits, labels, float(rows), out=gradient)
    total = ExactSum(_masks.clear_rows(mask, axis, loss, gradient)[0])
    total.count = rows
    return total.mean(), gradient
