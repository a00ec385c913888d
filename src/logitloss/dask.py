"""The library's functions for Dask arrays: lazy, block by block, with the bits of NumPy arrays whatever the chunks.

The classes of a softmax must be in one chunk. Class indices are not known before they are computed: one that is not a
class gives nan. :func:`sigmoid_cross_entropy_total` returns a number, so it computes at once.
"""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from . import _checks, _core, ufuncs
from ._exact import ExactSum


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of Dask arrays."""
    labels, logits = _aligned(*_checks.pair(*_known(labels, logits), name))
    return ufuncs.sigmoid_cross_entropy(logits, labels)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of Dask arrays."""
    labels, logits = _aligned(*_checks.pair(*_known(labels, logits)))
    return da.apply_gufunc(ufuncs.sigmoid_cross_entropy_value_and_grad, "(),()->(),()", logits, labels)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of Dask arrays."""
    labels, logits = _aligned(*_checks.pair(*_known(labels, logits)))
    return da.apply_gufunc(ufuncs.sigmoid_cross_entropy_grad_and_hess, "(),()->(),()", logits, labels)


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` of Dask arrays, the mean as one of rank 0."""
    _checks.no_out(out, "Dask arrays, which have no memory yet")
    labels, logits = _aligned(*_checks.pair(*_known(labels, logits)))
    gradient = da.map_blocks(_gradient, logits, labels, float(logits.size), dtype=logits.dtype)
    return _mean(ufuncs.sigmoid_cross_entropy(logits, labels)), gradient


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return :func:`logitloss.sigmoid_cross_entropy_total` of Dask arrays, computed now."""
    return _total(sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)).compute()


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of Dask arrays."""
    labels, logits = _aligned(*_checks.pair(*_known(labels, logits), name))
    return ufuncs.weighted_sigmoid_cross_entropy(logits, labels, _checks.pos_weight(pos_weight, logits, name))


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of Dask arrays."""
    labels, logits, axis = _checks.softmax_pair(*_known(labels, logits), axis, name)
    labels, logits = _aligned(labels, logits)
    return ufuncs.softmax_cross_entropy(logits, labels, axis=axis)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of Dask arrays."""
    labels, logits, axis = _checks.softmax_pair(*_known(labels, logits), axis)
    labels, logits = _aligned(labels, logits)
    return ufuncs.softmax_cross_entropy_value_and_grad(logits, labels, axes=[(axis,), (axis,), (), (axis,)])


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_mean_and_grad` of Dask arrays, the mean as one of rank 0."""
    _checks.no_out(out, "Dask arrays, which have no memory yet")
    labels, logits, axis = _checks.softmax_pair(*_known(labels, logits), axis)
    labels, logits = _aligned(labels, logits)
    axes = [(axis,), (axis,), (), (), (axis,)]
    return _mean_and_grad(_core.softmax_cross_entropy_value_and_grad_divided, logits, labels, axes)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of Dask arrays."""
    labels, logits = _aligned(*_checks.sparse_pair(*_known(labels, logits), name))
    return ufuncs.sparse_softmax_cross_entropy(logits, labels)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of Dask arrays."""
    labels, logits = _aligned(*_checks.sparse_pair(*_known(labels, logits)))
    return ufuncs.sparse_softmax_cross_entropy_value_and_grad(logits, labels)


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad` of Dask arrays, the mean as one of rank 0."""
    _checks.no_out(out, "Dask arrays, which have no memory yet")
    labels, logits = _aligned(*_checks.sparse_pair(*_known(labels, logits)))
    axes = [(-1,), (), (), (), (-1,)]
    return _mean_and_grad(_core.sparse_softmax_cross_entropy_value_and_grad_divided, logits, labels, axes)


def _known(labels: Any, logits: Any) -> tuple[Any, Any]:
    """Refuse chunks of unknown length, as a selection of rows has them: the shapes could not be compared."""
    for argument, value in (("labels", labels), ("logits", logits)):
        if isinstance(value, da.Array):
            _checks.known_lengths(argument, value.shape)
    return labels, logits


def _aligned(labels: Any, logits: Any) -> tuple[Any, Any]:
    """Labels in the blocks of the logits; class indices lack the last axis."""
    return da.asarray(labels).rechunk(logits.chunks[: labels.ndim]), logits


# --- exact means -----------------------------------------------------------------------------------------------------


def _gradient(logits: np.ndarray, labels: np.ndarray, n: float) -> np.ndarray:
    """The gradient of a block, divided before its one rounding."""
    gradient = _checks.gradient_out(None, logits)
    _core.sigmoid_cross_entropy_total(logits, labels, gradient, n)
    return gradient


def _mean_and_grad(ufunc: np.ufunc, logits: Any, labels: Any, axes: list) -> tuple[Any, Any]:
    rows = logits.size / logits.shape[axes[0][0]]
    loss, gradient = da.apply_gufunc(ufunc, ufunc.signature, logits, labels, rows, axes=axes)
    return _mean(loss), gradient


def _total(losses: Any) -> Any:
    """The exact sum of the blocks' exact sums, still to be computed."""
    parts = [delayed(ExactSum)(block) for block in losses.to_delayed().ravel()]
    return delayed(sum)(parts, ExactSum())


def _mean(losses: Any) -> Any:
    mean = delayed(ExactSum.mean)(_total(losses))
    return da.from_delayed(delayed(np.float64)(mean), (), np.float64)
