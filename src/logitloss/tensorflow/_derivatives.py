"""The losses as TensorFlow computes and differentiates them: values by a kernel or a formula, derivatives by rules.

An eager tensor on the CPU goes through a compiled kernel, which reads its memory and fills that of the result: nothing
is copied. A traced one, and one on another device, goes through :mod:`logitloss._formulas`. The rules are the same in
all modes and refer to each other, so that any higher derivative is right; those TensorFlow finds by itself lose the
tails.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager.record import could_possibly_record  # whether a tape listens has no public name

from .. import _formulas, ufuncs

# 0 times inf or nan is 0: what a selection or a weight of 0 masks behind the loss stays out of the gradient.
_times = tf.math.multiply_no_nan


# --- values ----------------------------------------------------------------------------------------------------------


def readable(x: Any) -> bool:
    """Whether a kernel can read the tensor where it is."""
    return tf.executing_eagerly() and "CPU" in x.device


def kernel(ufunc: np.ufunc, x: Any, *others: Any, axis: int = -1) -> tuple[Any, ...]:
    """Return what a kernel computes, as tensors."""
    if ufunc.signature is None:
        shapes, axes = [x.shape] * ufunc.nout, {}
    else:
        rows = list(x.shape)
        del rows[axis]
        shapes = [rows, x.shape][: ufunc.nout]
        axes = {"axes": [(axis,) if core else () for core in re.findall(r"\((\w*)\)", ufunc.signature)]}
    results = tuple(memory(shape, x.dtype) for shape in shapes)
    ufunc(*map(array, (x, *others)), out=results, **axes)
    return tuple(map(owner, results))


def array(tensor: Any) -> np.ndarray:
    """Return the memory of a tensor as an array."""
    return np.asarray(tensor if tensor.shape.rank else tensor.numpy())  # bfloat16 of rank 0 has no array of its own


def memory(shape: Any, dtype: tf.DType) -> np.ndarray:
    """Return an array that begins where TensorFlow demands it of a tensor, at a multiple of 64 bytes."""
    size = math.prod(shape) * dtype.size
    block = np.empty(size + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + size].view(dtype.as_numpy_dtype).reshape(shape)


def owner(array: np.ndarray) -> Any:
    """Return a tensor that owns the memory of an array."""
    if array.dtype.name == "bfloat16":  # DLPack knows it, NumPy does not
        return tf.bitcast(owner(array.view(np.uint16)), tf.bfloat16)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def wide(*tensors: Any) -> tf.DType:
    """Return the dtype of a computation."""
    return tf.float64 if any(tensor.dtype == tf.float64 for tensor in tensors) else tf.float32


def _formula(formula: Callable[..., Any], x: Any, *others: Any, axis: int = -1, per_class: bool = False) -> Any:
    """Return what a formula computes, in the dtype of the logits; some have a value for each class."""
    dtype = wide(x, *others)
    logits, *rest = (_moved(tf.cast(tensor, dtype), axis, -1) for tensor in (x, *others))
    result = formula(_operations(logits), logits, *rest)
    return tf.cast(_moved(result, -1, axis) if per_class else result, x.dtype)


def _moved(tensor: Any, source: int, destination: int) -> Any:
    return tensor if source == destination else tf.experimental.numpy.moveaxis(tensor, source, destination)


def _operations(logits: Any) -> SimpleNamespace:
    """Return the formulas' operations; the number of classes may be known only when the graph runs."""
    return SimpleNamespace(
        abs=tf.abs,
        exp=tf.exp,
        log1p=tf.math.log1p,
        tanh=tf.tanh,
        where=tf.where,
        zeros_like=tf.zeros_like,
        sum=tf.reduce_sum,
        max=tf.reduce_max,
        arange=lambda classes: tf.range(tf.shape(logits, tf.int64)[-1]),
    )


def _differentiable(value: Any, rule: Callable[[Any], Any], *inputs: Any) -> Any:
    """Return the value as a function of the inputs, whose derivatives times an upstream one the rule gives."""
    if tf.executing_eagerly():
        if not could_possibly_record():
            return value
        value = tf.stop_gradient(value)  # or forward mode would derive the operations of the formula
    return tf.custom_gradient(lambda *_: (value, rule))(*inputs)


def _like(labels: Any, derivative: Any) -> Any:
    """Return the derivative with respect to labels in their dtype; integers have none."""
    return tf.cast(derivative, labels.dtype) if labels.dtype.is_floating else None


# --- sigmoid: each function takes what is known already of its value and derivative ----------------------------------


def loss(x: Any, z: Any, value: Any = None, slope: Any = None) -> Any:
    """The loss."""
    if value is None and not readable(x):
        value = _formula(_formulas.loss, x, z)
    elif value is None and could_possibly_record():
        value, slope = kernel(ufuncs.sigmoid_cross_entropy_value_and_grad, x, z)
    elif value is None:
        (value,) = kernel(ufuncs.sigmoid_cross_entropy, x, z)

    def rule(up: Any) -> tuple[Any, Any]:
        return _times(gradient(x, z, slope), up), _like(z, _times(-x, up))

    return _differentiable(value, rule, x, z)


def gradient(x: Any, z: Any, value: Any = None) -> Any:
    """The derivative of the loss with respect to x."""
    if value is None and readable(x):
        (value,) = kernel(ufuncs.sigmoid_cross_entropy_grad, x, z)
    elif value is None:
        value = _formula(_formulas.gradient, x, z)
    return _differentiable(value, lambda up: (_times(hessian(x), up), _like(z, -up)), x, z)


def hessian(x: Any, value: Any = None) -> Any:
    """The second derivative of the loss."""
    if value is None:
        value = _formula(_formulas.hessian, x)

    def rule(up: Any) -> Any:
        precise = tf.cast(x, wide(x))
        slope = _formulas.hessian_slope(_operations(x), precise, hessian(precise))
        return up * tf.cast(slope, x.dtype)

    return _differentiable(value, rule, x)


def weighted_loss(x: Any, z: Any, weight: Any) -> Any:
    """The loss whose positive part has a weight. It is linear in both: the losses of 1 and 0 give its derivatives."""
    given, weight, dtype = weight, tf.broadcast_to(weight, tf.shape(x)), wide(x, z)
    if readable(x):
        (value,) = kernel(ufuncs.weighted_sigmoid_cross_entropy, x, z, tf.cast(given, tf.float64))
    else:
        value = _formula(_formulas.loss, x, z, tf.cast(weight, dtype))

    def rule(up: Any) -> tuple[Any, Any, Any]:
        precise, label, w, upstream = (tf.cast(tensor, dtype) for tensor in (x, z, weight, up))
        zeros, ones = tf.zeros_like(precise), tf.ones_like(precise)
        positive = loss(precise, ones)
        derivatives = (
            w * label * gradient(precise, ones) + (1 - label) * gradient(precise, zeros),
            _times(positive, w) - loss(precise, zeros),
            _times(positive, label),
        )
        slope, by_label, by_weight = (_times(derivative, upstream) for derivative in derivatives)
        return tf.cast(slope, x.dtype), _like(z, by_label), _like(weight, by_weight)

    return _differentiable(value, rule, x, z, weight)


# --- softmax: labels of an integer dtype are class indices -----------------------------------------------------------


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
        return _formula(lambda xp, x: sparse(xp, x, z), x, per_class=per_class)
    return _formula(dense, x, z, axis=axis, per_class=per_class)


def softmax_loss(x: Any, z: Any, axis: int = -1, value: Any = None, slope: Any = None) -> Any:
    """The loss of each row."""
    if value is None and readable(x):
        value, *slopes = softmax_kernel(x, z, axis, could_possibly_record())
        slope = slopes[0] if slopes else None
    elif value is None:
        formulas = _formulas.softmax_loss, _formulas.sparse_softmax_loss
        value = _softmax_formula(*formulas, x, z, axis, per_class=False)

    def rule(up: Any) -> tuple[Any, Any]:
        up = tf.expand_dims(up, axis)
        by_label = None if z.dtype.is_integer else _like(z, _times(_softmax_losses(x, axis), up))
        return _times(softmax_gradient(x, z, axis, slope), up), by_label

    return _differentiable(value, rule, x, z)


def softmax_gradient(x: Any, z: Any, axis: int = -1, value: Any = None) -> Any:
    """The derivative of the loss with respect to x."""
    if value is None and readable(x):
        _, value = softmax_kernel(x, z, axis, gradient=True)
    elif value is None:
        formulas = _formulas.softmax_gradient, _formulas.sparse_softmax_gradient
        value = _softmax_formula(*formulas, x, z, axis, per_class=True)

    def rule(up: Any) -> tuple[Any, Any]:
        if z.dtype.is_integer:
            return _tangent(x, up, axis), None
        total = tf.reduce_sum(tf.cast(z, x.dtype), axis, keepdims=True)
        mean = tf.reduce_sum(up * _softmax(x, axis), axis, keepdims=True)
        return total * _tangent(x, up, axis), _like(z, mean - up)

    return _differentiable(value, rule, x, z)


def _softmax_losses(x: Any, axis: int) -> Any:
    """The derivative with respect to the labels, -log softmax(x); its own along v is the gradient for the labels v."""
    value = _formula(_formulas.softmax_losses, x, axis=axis, per_class=True)
    return _differentiable(value, lambda up: softmax_gradient(x, up, axis), x)


def _softmax(x: Any, axis: int) -> Any:
    value = _formula(_formulas.softmax, x, axis=axis, per_class=True)
    return _differentiable(value, lambda up: _tangent(x, up, axis), x)


def _tangent(x: Any, v: Any, axis: int) -> Any:
    """The derivative of the probabilities along v."""
    p = _softmax(tf.cast(x, wide(x)), axis)
    return tf.cast(_formula(_formulas.softmax_tangent, p, v, axis=axis, per_class=True), x.dtype)
