"""The losses for pandas: labels are matched to the logits by index and columns, or refused, never taken by position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from . import _checks, _numpy
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
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of pandas objects."""
    labels = _pair(labels, logits, name)
    return _numpy.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name=name)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of pandas objects."""
    return _numpy.sigmoid_cross_entropy_value_and_grad(labels=_pair(labels, logits), logits=logits)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of pandas objects."""
    return _numpy.sigmoid_cross_entropy_grad_and_hess(labels=_pair(labels, logits), logits=logits)


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of pandas objects."""
    labels = _pair(labels, logits, name)
    weight = _last_axes("pos_weight", pos_weight, logits, name)
    return _numpy.weighted_cross_entropy_with_logits(labels=labels, logits=logits, pos_weight=weight, name=name)


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of pandas objects."""
    labels, axis = _softmax_pair(labels, logits, axis, name)
    loss = _numpy.softmax_cross_entropy_with_logits(labels=labels, logits=logits.to_numpy(), axis=axis, name=name)
    return _rows(loss, logits, axis)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of pandas objects."""
    labels, axis = _softmax_pair(labels, logits, axis)
    results = _numpy.softmax_cross_entropy_value_and_grad(labels=labels, logits=logits.to_numpy(), axis=axis)
    return _rows(results[0], logits, axis), _like(results[1], logits)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of pandas objects."""
    labels = _sparse_labels(labels, logits, name)
    loss = _numpy.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits.to_numpy(), name=name)
    return _rows(loss, logits, -1)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of pandas objects."""
    labels = _sparse_labels(labels, logits)
    results = _numpy.sparse_softmax_cross_entropy_value_and_grad(labels=labels, logits=logits.to_numpy())
    return _rows(results[0], logits, -1), _like(results[1], logits)


def _pair(labels: Any, logits: Any, name: str | None = None) -> Any:
    """Labels, in the order of the logits where they have an index."""
    labels, logits = _checks.pair(labels, logits, name)
    return _matched("labels", labels, logits.axes, name)


def _softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, int]:
    labels, logits = _checks.arrays(labels, logits, name)
    axis = _checks.softmax_shapes(labels.shape, logits.shape, axis, name)
    return _last_axes("labels", labels, logits, name), axis


def _sparse_labels(labels: Any, logits: Any, name: str | None = None) -> Any:
    labels, logits = _checks.arrays(labels, logits, name, indices=True)
    _checks.sparse_shapes(labels.shape, logits.shape, name)
    _checks.classes_in_order(logits.axes[-1], name)
    return _values(_matched("labels", labels, logits.axes[:-1], name))


def _last_axes(argument: str, value: Any, logits: Any, name: str | None) -> Any:
    """The values of what broadcasts to the logits, so its axes are the last ones of theirs."""
    return _values(_matched(argument, value, logits.axes[-getattr(value, "ndim", 0) :], name))


def _matched(argument: str, value: Any, axes: list, name: str | None) -> Any:
    _checks.same_labelling(argument, value, "pandas", name)
    if not isinstance(value, (pd.Series, pd.DataFrame)):
        return value
    for number, (own, wanted) in enumerate(zip(value.axes, axes, strict=False)):
        kind = "columns" if wanted is axes[-1] and number else "index"
        if _checks.in_other_order(argument, kind, own, wanted, name):
            value = value.reindex(wanted, axis=number)
    return value


def _values(value: Any) -> Any:
    return value.to_numpy() if isinstance(value, (pd.Series, pd.DataFrame)) else value


def _rows(loss: Any, logits: Any, axis: int) -> Any:
    """The losses with the labels that the softmax left."""
    return pd.Series(loss, logits.axes[1 + axis if axis < 0 else 1 - axis]) if logits.ndim == 2 else loss


def _like(gradient: np.ndarray, logits: Any) -> Any:
    return logits._constructor(gradient, *logits.axes)
