"""What the functions for TensorFlow accept, with TensorFlow's own sentences where shapes differ."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .. import _checks
from ._kernels import array

_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
_INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)
NUMBERS = (*_FLOATS, *_INTEGERS, tf.bool)


def tensor(argument: str, value: Any, kinds: tuple) -> Any:
    if isinstance(value, tf.RaggedTensor | tf.SparseTensor):
        raise TypeError(
            f"{argument} must be a dense tensor, got a {type(value).__name__}. "
            "Apply the function to its values, as tf.ragged.map_flat_values does."
        )
    # A list counts as what NumPy makes of it, float64, where the kind has it.
    hint = None if hasattr(value, "dtype") or kinds is _INTEGERS else tf.float32 if kinds is _FLOATS else tf.float64
    converted = tf.convert_to_tensor(value, dtype_hint=hint, name=argument)
    if converted.dtype not in kinds:
        expected, dtype = {
            _FLOATS: ("float16, bfloat16, float32 or float64", "tf.float32"),
            _INTEGERS: ("integer class indices", "tf.int64"),
            NUMBERS: ("a float of at most 64 bits, an integer or bool", "tf.float64"),
        }[kinds]
        raise TypeError(
            f"{argument} must be {expected}, got dtype {converted.dtype.name}. "
            f"Convert with tf.cast({argument}, {dtype})."
        )
    return converted


def _tensors(labels: Any, logits: Any, name: str | None, kinds: tuple = NUMBERS) -> tuple[Any, Any]:
    _checks.provided(labels, logits, name)
    return tensor("logits", logits, _FLOATS), tensor("labels", labels, kinds)


def pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    x, z = _tensors(labels, logits, name)
    if not z.shape.is_compatible_with(x.shape):
        raise ValueError(
            f"`logits` and `labels` must have the same shape, received ({x.shape} vs {z.shape}). Reshape one."
        )
    return x, _of_shape(z, x.shape, lambda: tf.shape(x))


def softmax_pair(labels: Any, logits: Any, axis: int, name: str | None = None) -> tuple[Any, Any, int]:
    x, z = _tensors(labels, logits, name)
    if x.shape.rank is not None:
        axis = _checks.softmax_shapes(() if z.shape.rank is None else z.shape, x.shape, axis, name)
    z = z if z.dtype.is_floating else tf.cast(z, tf.float32)  # further on, integers are class indices
    return x, z if z.shape.is_fully_defined() and z.shape == x.shape else tf.broadcast_to(z, tf.shape(x)), axis


def sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    x, y = _tensors(labels, logits, name, _INTEGERS)
    if x.shape.rank == 0:
        raise ValueError(f"`logits` cannot be a scalar. Received logits={x}. Pass one logit per class.")
    if None not in (x.shape.rank, y.shape.rank) and y.shape.rank != x.shape.rank - 1:
        raise ValueError(
            f"`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: labels.shape={y.shape} of rank "
            f"{y.shape.rank} and logits.shape={x.shape} of rank {x.shape.rank}. Reshape one."
        )
    if not y.shape.is_compatible_with(x.shape[:-1]):
        raise ValueError(
            "`labels.shape` must equal `logits.shape` except for the last dimension. "
            f"Received: labels.shape={y.shape} and logits.shape={x.shape}. Reshape one."
        )
    if x.shape.rank is not None:
        _checks.softmax_shapes((), x.shape, -1, name)
        if x.shape[-1] is not None and not tf.is_symbolic_tensor(y):
            _checks.known_classes(array(y), x.shape[-1], name)
    return x, tf.cast(_of_shape(y, x.shape[:-1], lambda: tf.shape(x)[:-1]), tf.int64)


def _of_shape(labels: Any, known: tf.TensorShape, shape: Callable[[], Any]) -> Any:
    """Return the labels; where not all dimensions are known, by a step that fails unless they have the shape.

    Two shapes are the same if each broadcasts to the other. XLA, which drops assertions, refuses this too.
    """
    if known.is_fully_defined() and labels.shape.is_fully_defined():
        return labels
    return tf.broadcast_to(tf.broadcast_to(labels, shape()), tf.shape(labels))
