"""The sigmoid losses of checked tensors and their rules of differentiation.

The rules are the same in all modes and refer to each other, so any higher derivative is right; those that TensorFlow
derives by itself lose the tails. Each function takes what is already known of its value and derivative.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.python.eager.record import could_possibly_record  # whether a tape listens has no public name

from .. import _formulas, ufuncs
from ._kernels import (
    compute_dtype,
    differentiable,
    formula,
    has_host_memory,
    in_dtype_of_labels,
    kernel,
    operations,
    times,
)


def loss(x: Any, z: Any, value: Any = None, slope: Any = None) -> Any:
    """The loss."""
    if value is None and not has_host_memory(x):
        value = formula(_formulas.loss, x, z)
    elif value is None and could_possibly_record():
        value, slope = kernel(ufuncs.sigmoid_cross_entropy_value_and_grad, x, z)
    elif value is None:
        (value,) = kernel(ufuncs.sigmoid_cross_entropy, x, z)

    def rule(up: Any) -> tuple[Any, Any]:
        return times(gradient(x, z, slope), up), in_dtype_of_labels(z, times(-x, up))

    return differentiable(value, rule, x, z)


def gradient(x: Any, z: Any, value: Any = None) -> Any:
    """The derivative of the loss with respect to x."""
    if value is None and has_host_memory(x):
        (value,) = kernel(ufuncs.sigmoid_cross_entropy_grad, x, z)
    elif value is None:
        value = formula(_formulas.gradient, x, z)
    return differentiable(value, lambda up: (times(hessian(x), up), in_dtype_of_labels(z, -up)), x, z)


def hessian(x: Any, value: Any = None) -> Any:
    """The second derivative of the loss."""
    if value is None:
        value = formula(_formulas.hessian, x)

    def rule(up: Any) -> Any:
        precise = tf.cast(x, compute_dtype(x))
        slope = _formulas.hessian_slope(operations(x), precise, hessian(precise))
        return up * tf.cast(slope, x.dtype)

    return differentiable(value, rule, x)


def weighted_loss(x: Any, z: Any, weight: Any) -> Any:
    """The loss whose positive part has a weight. It is linear in both: the losses of 1 and 0 give its derivatives."""
    given, weight, dtype = weight, tf.broadcast_to(weight, tf.shape(x)), compute_dtype(x, z)
    if has_host_memory(x):
        (value,) = kernel(ufuncs.weighted_sigmoid_cross_entropy, x, z, tf.cast(given, tf.float64))
    else:
        value = formula(_formulas.loss, x, z, tf.cast(weight, dtype))

    def rule(up: Any) -> tuple[Any, Any, Any]:
        precise, label, w, upstream = (tf.cast(tensor, dtype) for tensor in (x, z, weight, up))
        zeros, ones = tf.zeros_like(precise), tf.ones_like(precise)
        positive = loss(precise, ones)
        derivatives = (
            w * label * gradient(precise, ones) + (1 - label) * gradient(precise, zeros),
            times(positive, w) - loss(precise, zeros),
            times(positive, label),
        )
        slope, by_label, by_weight = (times(derivative, upstream) for derivative in derivatives)
        return tf.cast(slope, x.dtype), in_dtype_of_labels(z, by_label), in_dtype_of_labels(weight, by_weight)

    return differentiable(value, rule, x, z, weight)
