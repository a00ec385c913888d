"""The losses for xarray: labels are matched to the logits by dimension and coordinate, or refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from . import _checks, _numpy
from ._dispatch import adapter
from ._numpy import (  # these refuse what is not a NumPy array
    sigmoid_cross_entropy_mean_and_grad,
    sigmoid_cross_entropy_total,
    softmax_cross_entropy_mean_and_grad,
    sparse_softmax_cross_entropy_mean_and_grad,
)

__all__ = [
    "sigmoid_cross_entropy_grad_and_hess",
    "sigmoid_cross_entropy_mean_and_grad",
    "sigmoid_cross_entropy_total",
    "sigmoid_cross_entropy_value_and_grad",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_mean_and_grad",
    "softmax_cross_entropy_value_and_grad",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_mean_and_grad",
    "sparse_softmax_cross_entropy_value_and_grad",
    "sparse_softmax_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
]


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of xarray's arrays."""
    labels = _pair(labels, logits, name)
    return _numpy.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name=name)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of xarray's arrays."""
    return _numpy.sigmoid_cross_entropy_value_and_grad(labels=_pair(labels, logits), logits=logits)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of xarray's arrays."""
    return _numpy.sigmoid_cross_entropy_grad_and_hess(labels=_pair(labels, logits), logits=logits)


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of xarray's arrays."""
    labels = _pair(labels, logits, name)
    weight = _broadcast("pos_weight", pos_weight, logits, name)
    return _numpy.weighted_cross_entropy_with_logits(labels=labels, logits=logits, pos_weight=weight, name=name)


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of xarray's arrays."""
    labels, axis = _softmax_pair(labels, logits, axis, name)
    function = adapter(logits.data).softmax_cross_entropy_with_logits
    return _rows(function(labels=labels, logits=logits.data, axis=axis, name=name), logits, axis)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of xarray's arrays."""
    labels, axis = _softmax_pair(labels, logits, axis)
    function = adapter(logits.data).softmax_cross_entropy_value_and_grad
    loss, gradient = function(labels=labels, logits=logits.data, axis=axis)
    return _rows(loss, logits, axis), logits.copy(data=gradient)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of xarray's arrays."""
    labels = _sparse_labels(labels, logits, name)
    function = adapter(logits.data).sparse_softmax_cross_entropy_with_logits
    return _rows(function(labels=labels, logits=logits.data, name=name), logits, -1)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of xarray's arrays."""
    labels = _sparse_labels(labels, logits)
    loss, gradient = adapter(logits.data).sparse_softmax_cross_entropy_value_and_grad(labels=labels, logits=logits.data)
    return _rows(loss, logits, -1), logits.copy(data=gradient)


def _pair(labels: Any, logits: Any, name: str | None = None) -> Any:
    labels, logits = _checks.arrays(labels, logits, name)
    if labels.ndim != logits.ndim:
        _checks.same_shape(labels.shape, logits.shape, name)
    return _matched("labels", labels, logits, logits.dims, name)


def _softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, int]:
    labels, logits = _checks.arrays(labels, logits, name)
    labels = _broadcast("labels", labels, logits, name)
    return labels, _checks.softmax_shapes(labels.shape, logits.shape, axis, name)


def _sparse_labels(labels: Any, logits: Any, name: str | None = None) -> Any:
    labels, logits = _checks.arrays(labels, logits, name, indices=True)
    labels = _matched("labels", labels, logits, logits.dims[:-1], name)
    _checks.sparse_shapes(labels.shape, logits.shape, name)
    if logits.dims[-1] in logits.indexes:
        _checks.classes_in_order(logits.indexes[logits.dims[-1]], name)
    return labels.data if isinstance(labels, xr.DataArray) else labels


def _broadcast(argument: str, value: Any, logits: Any, name: str | None) -> Any:
    """The values of what has some dimensions of the logits, with one element along each of the others."""
    value = _matched(argument, value, logits, logits.dims, name, subset=True)
    if not isinstance(value, xr.DataArray):
        return value
    return value.expand_dims([dim for dim in logits.dims if dim not in value.dims]).transpose(*logits.dims).data


def _matched(argument: str, value: Any, logits: Any, dims: tuple, name: str | None, subset: bool = False) -> Any:
    """The array with its dimensions and coordinates in the order of the logits."""
    _checks.same_labelling(argument, value, "xarray", name)
    if not isinstance(value, xr.DataArray):
        return value
    _checks.dimensions(argument, value.dims, dims, subset, name)
    for dim in value.dims:
        if dim in value.indexes and dim in logits.indexes:
            wanted = logits.indexes[dim]
            if _checks.in_other_order(argument, f"coordinate {dim!r}", value.indexes[dim], wanted, name):
                value = value.reindex({dim: wanted})
    return value.transpose(*(dim for dim in dims if dim in value.dims))


def _rows(loss: Any, logits: Any, axis: int) -> Any:
    """The losses with the dimensions that the softmax left."""
    return logits.isel({logits.dims[axis]: 0}, drop=True).copy(data=np.asarray(loss) if logits.ndim == 1 else loss)
