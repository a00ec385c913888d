"""The softmax losses of checked tensors and their rules of differentiation; integer labels are class indices.

The rules refer to each other, so any higher derivative is right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
from tensorflow.python.eager.record import could_possibly_record  # whether a tape listens has no public name

from .. import _formulas, ufuncs
from ._kernels import compute_dtype, differentiable, formula, has_host_memory, in_dtype_of_labels, kernel, times


def softmax_kernel(x: Any, z: Any, axis: int, gradient: bool) -> tuple[Any, ...]:
    """Return the loss and, if asked for, its gradient."""
    if z.dtype.is_integer:
        alone, both = ufuncs.sparse_softmax_cross_entropy, ufuncs.sparse_softmax_cross_entropy_value_and_grad
    else:
        alone, both = ufuncs.softmax_cross_entropy, ufuncs.softmax_cross_entropy_value_and_grad
    return kernel(both if gradient else alone, x, z, axis=axis)


def _softmax_formula(
    dense: Callable[..., Any], sparse: Callable[..., Any], x: Any, z: Any, axis: int, per_class: bool
) -> Any:
    if z.dtype.is_integer:
        return formula(lambda xp, x: sparse(xp, x, z), x, per_class=per_class)
    return formula(dense, x, z, axis=axis, per_class=per_class)


def softmax_loss(x: Any, z: Any, axis: int = -1, value: Any = None, slope: Any = None) -> Any:
    """The loss of each row."""
    if value is None and has_host_memory(x):
        value, *slopes = softmax_kernel(x, z, axis, could_possibly_record())
        slope = slopes[0] if slopes else None
    elif value is None:
        formulas = _formulas.softmax_loss, _formulas.sparse_softmax_loss
        value = _softmax_formula(*formulas, x, z, axis, per_class=False)

    def rule(up: Any) -> tuple[Any, Any]:
        up = tf.expand_dims(up, axis)
        by_label = None if z.dtype.is_integer else in_dtype_of_labels(z, times(_softmax_losses(x, axis), up))
        return times(softmax_gradient(x, z, axis, slope), up), by_label

    return differentiable(value, rule, x, z)


def softmax_gradient(x: Any, z: Any, axis: int = -1, value: Any = None) -> Any:
    """The derivative of the loss with respect to x."""
    if value is None and has_host_memory(x):
        _, value = softmax_kernel(x, z, axis, gradient=True)
    elif value is None:
        formulas = _formulas.softmax_gradient, _formulas.sparse_softmax_gradient
        value = _softmax_formula(*formulas, x, z, axis, per_class=True)

    def rule(up: Any) -> tuple[Any, Any]:
        if z.dtype.is_integer:
            return _tangent(x, up, axis), None
        total = tf.reduce_sum(tf.cast(z, x.dtype), axis, keepdims=True)
        mean = tf.reduce_sum(up * _softmax(x, axis), axis, keepdims=True)
        return total * _tangent(x, up, axis), in_dtype_of_labels(z, mean - up)

    return differentiable(value, rule, x, z)


def _softmax_losses(x: Any, axis: int) -> Any:
    """The derivative with respect to the labels, -log softmax(x); its own along v is the gradient for the labels v."""
    value = formula(_formulas.softmax_losses, x, axis=axis, per_class=True)
    return differentiable(value, lambda up: softmax_gradient(x, up, axis), x)


def _softmax(x: Any, axis: int) -> Any:
    value = formula(_formulas.softmax, x, axis=axis, per_class=True)
    return differentiable(value, lambda up: _tangent(x, up, axis), x)


def _tangent(x: Any, v: Any, axis: int) -> Any:
    """The derivative of the probabilities along v."""
    p = _softmax(tf.cast(x, compute_dtype(x)), axis)
    return tf.cast(formula(_formulas.softmax_tangent, p, v, axis=axis, per_class=True), x.dtype)
