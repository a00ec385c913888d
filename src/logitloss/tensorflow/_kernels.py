"""How TensorFlow computes a loss: by a compiled kernel, or by the formulas in TensorFlow's operations.

An eager tensor on the CPU goes through a compiled kernel, which reads its memory and writes that of the result: nothing
is copied. A traced one, and one on another device, goes through :mod:`logitloss._formulas`.
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

# 0 times inf or nan is 0: what a selection or a weight of 0 masks behind the loss stays out of the gradient.
times = tf.math.multiply_no_nan


def has_host_memory(x: Any) -> bool:
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
    results = tuple(aligned_array(shape, x.dtype) for shape in shapes)
    ufunc(*map(array, (x, *others)), out=results, **axes)
    return tuple(map(to_tensor, results))


def array(tensor: Any) -> np.ndarray:
    """Return the aligned_array of a tensor as an array."""
    return np.asarray(tensor if tensor.shape.rank else tensor.numpy())  # bfloat16 of rank 0 has no array of its own


def aligned_array(shape: Any, dtype: tf.DType) -> np.ndarray:
    """Return an array that begins where TensorFlow demands it of a tensor, at a multiple of 64 bytes."""
    size = math.prod(shape) * dtype.size
    block = np.empty(size + 64, np.uint8)
    start = -block.ctypes.data % 64
    return block[start : start + size].view(dtype.as_numpy_dtype).reshape(shape)


def to_tensor(array: np.ndarray) -> Any:
    """Return a tensor that owns the aligned_array of an array."""
    if array.dtype.name == "bfloat16":  # DLPack knows it, NumPy does not
        return tf.bitcast(to_tensor(array.view(np.uint16)), tf.bfloat16)
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())


def compute_dtype(*tensors: Any) -> tf.DType:
    """Return the dtype of a computation."""
    return tf.float64 if any(tensor.dtype == tf.float64 for tensor in tensors) else tf.float32


def formula(function: Callable[..., Any], x: Any, *others: Any, axis: int = -1, per_class: bool = False) -> Any:
    """Return what a formula computes, in the dtype of the logits; some have a value for each class."""
    dtype = compute_dtype(x, *others)
    logits, *rest = (_moved(tf.cast(tensor, dtype), axis, -1) for tensor in (x, *others))
    result = function(operations(logits), logits, *rest)
    return tf.cast(_moved(result, -1, axis) if per_class else result, x.dtype)


def _moved(tensor: Any, source: int, destination: int) -> Any:
    return tensor if source == destination else tf.experimental.numpy.moveaxis(tensor, source, destination)


def operations(logits: Any) -> SimpleNamespace:
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


def differentiable(value: Any, rule: Callable[[Any], Any], *inputs: Any) -> Any:
    """Return the value as a function of the inputs, whose derivatives times an upstream one the rule gives."""
    if tf.executing_eagerly():
        if not could_possibly_record():
            return value
        value = tf.stop_gradient(value)  # or forward mode would derive the operations of the formula
    return tf.custom_gradient(lambda *_: (value, rule))(*inputs)


def in_dtype_of_labels(labels: Any, derivative: Any) -> Any:
    """Return the derivative with respect to labels in their dtype; integers have none."""
    return tf.cast(derivative, labels.dtype) if labels.dtype.is_floating else None
