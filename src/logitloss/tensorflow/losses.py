"""The library's functions for TensorFlow: eager, in ``tf.function`` and under XLA, differentiable in any order.

The four that ``tf.nn`` has too take its place there, with its signatures. The public functions come here for logits
that are tensors; formulas, special values and errors are theirs, in TensorFlow's own sentences where shapes differ.

Eager tensors on the CPU have the accuracy and the bits of NumPy arrays. Traced tensors, and those on other devices, are
as accurate as TensorFlow's exp, log1p and division: ``docs/frameworks/tensorflow.md`` has the tested bounds. There
a label that is no class gives nan, and subnormal numbers are flushed to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .. import _checks, _numpy, ufuncs
from .._exact import ExactSum
from . import _derivatives as ops

_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
_INTEGERS = (tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16, tf.uint32, tf.uint64)
_NUMBERS = (*_FLOATS, *_INTEGERS, tf.bool)


def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Return :func:`logitloss.sigmoid_cross_entropy_with_logits` of tensors."""
    with tf.name_scope(name or "logistic_loss") as scope:
        return _named(ops.loss(*_pair(labels, logits, name)), scope)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_value_and_grad` of tensors."""
    x, z = _pair(labels, logits)
    known = ops.kernel(ufuncs.sigmoid_cross_entropy_value_and_grad, x, z) if ops.readable(x) else (None, None)
    return ops.loss(x, z, *known), ops.gradient(x, z, known[1])


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` of tensors."""
    x, z = _pair(labels, logits)
    known = ops.kernel(ufuncs.sigmoid_cross_entropy_grad_and_hess, x, z) if ops.readable(x) else (None, None)
    return ops.gradient(x, z, known[0]), ops.hessian(x, known[1])


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` of tensors, see :func:`_mean_and_grad`."""
    x, z = _pair(labels, logits)
    return _mean_and_grad(_numpy.sigmoid_cross_entropy_mean_and_grad, ops.loss, ops.gradient, x, z, out)


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return :func:`logitloss.sigmoid_cross_entropy_total` of eager tensors."""
    x, z = _pair(labels, logits)
    if tf.is_symbolic_tensor(x) or tf.is_symbolic_tensor(z):
        raise TypeError(
            "labels and logits must be eager tensors to be summed exactly, got symbolic ones. "
            "Call it outside of tf.function, or sum the losses with tf.reduce_sum."
        )
    return _numpy.sigmoid_cross_entropy_total(labels=ops.array(z), logits=ops.array(x))


def weighted_cross_entropy_with_logits(labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.weighted_cross_entropy_with_logits` of tensors."""
    with tf.name_scope(name or "logistic_loss") as scope:
        x, z = _pair(labels, logits, name)
        weight = _tensor("pos_weight", pos_weight, _NUMBERS)
        if x.shape.rank is not None and weight.shape.rank is not None:
            _checks.weight_fits(weight.shape, x.shape, name)
        return _named(ops.weighted_loss(x, z, weight), scope)


def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return :func:`logitloss.softmax_cross_entropy_with_logits` of tensors."""
    with tf.name_scope(name or "softmax_cross_entropy_with_logits") as scope:
        return _named(ops.softmax_loss(*_softmax_pair(labels, logits, axis, name)), scope)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_value_and_grad` of tensors."""
    return _softmax_value_and_grad(*_softmax_pair(labels, logits, axis))


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """Return :func:`logitloss.softmax_cross_entropy_mean_and_grad` of tensors, see :func:`_mean_and_grad`."""
    x, z, axis = _softmax_pair(labels, logits, axis)
    exact = _numpy.softmax_cross_entropy_mean_and_grad
    return _mean_and_grad(exact, ops.softmax_loss, ops.softmax_gradient, x, z, out, axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_with_logits` of tensors."""
    with tf.name_scope(name or "SparseSoftmaxCrossEntropyWithLogits") as scope:
        return _named(ops.softmax_loss(*_sparse_pair(labels, logits, name)), scope)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad` of tensors."""
    return _softmax_value_and_grad(*_sparse_pair(labels, logits))


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad` of tensors, see :func:`_mean_and_grad`."""
    x, y = _sparse_pair(labels, logits)
    exact = _numpy.sparse_softmax_cross_entropy_mean_and_grad
    return _mean_and_grad(exact, ops.softmax_loss, ops.softmax_gradient, x, y, out)


def _softmax_value_and_grad(x: Any, z: Any, axis: int = -1) -> tuple[Any, Any]:
    known = ops.softmax_kernel(x, z, axis, gradient=True) if ops.readable(x) else (None, None)
    return ops.softmax_loss(x, z, axis, *known), ops.softmax_gradient(x, z, axis, known[1])


def _mean_and_grad(
    exact: Callable[..., Any],
    loss: Callable[..., Any],
    gradient: Callable[..., Any],
    x: Any,
    z: Any,
    out: None,
    **axis: int,
) -> tuple[Any, Any]:
    """Return the mean and its gradient, constants to a tape.

    Eager tensors on the CPU have the exact mean, a float; others TensorFlow's, a scalar tensor, at least float32.
    """
    if out is not None:
        raise TypeError(
            f"out must be None for tensors, which own their memory, got {type(out).__qualname__}. "
            "Take the gradient that is returned."
        )
    if ops.readable(x):
        place = ops.memory(x.shape, x.dtype)
        mean, _ = exact(labels=ops.array(z), logits=ops.array(x), out=place, **axis)
        return mean, ops.owner(place)
    values, slopes = (tf.stop_gradient(tf.cast(of(x, z, **axis), ops.wide(x))) for of in (loss, gradient))
    return tf.reduce_mean(values), tf.cast(slopes / tf.cast(tf.size(values), slopes.dtype), x.dtype)


def _named(loss: Any, scope: str) -> Any:
    """Give the operation that returns the loss its name."""
    return loss if tf.executing_eagerly() else tf.identity(loss, name=scope)


# --- what they accept ------------------------------------------------------------------------------------------------


def _tensor(argument: str, value: Any, kinds: tuple) -> Any:
    if isinstance(value, tf.RaggedTensor | tf.SparseTensor):
        raise TypeError(
            f"{argument} must be a dense tensor, got a {type(value).__name__}. "
            "Apply the function to its values, as tf.ragged.map_flat_values does."
        )
    # A list counts as what NumPy makes of it, float64, where the kind has it.
    hint = None if hasattr(value, "dtype") or kinds is _INTEGERS else tf.float32 if kinds is _FLOATS else tf.float64
    tensor = tf.convert_to_tensor(value, dtype_hint=hint, name=argument)
    if tensor.dtype not in kinds:
        expected, dtype = {
            _FLOATS: ("float16, bfloat16, float32 or float64", "tf.float32"),
            _INTEGERS: ("integer class indices", "tf.int64"),
            _NUMBERS: ("a float of at most 64 bits, an integer or bool", "tf.float64"),
        }[kinds]
        raise TypeError(
            f"{argument} must be {expected}, got dtype {tensor.dtype.name}. Convert with tf.cast({argument}, {dtype})."
        )
    return tensor


def _tensors(labels: Any, logits: Any, name: str | None, kinds: tuple = _NUMBERS) -> tuple[Any, Any]:
    _checks.provided(labels, logits, name)
    return _tensor("logits", logits, _FLOATS), _tensor("labels", labels, kinds)


def _pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    x, z = _tensors(labels, logits, name)
    if not z.shape.is_compatible_with(x.shape):
        raise ValueError(
            f"`logits` and `labels` must have the same shape, received ({x.shape} vs {z.shape}). Reshape one."
        )
    return x, _of_shape(z, x.shape, lambda: tf.shape(x))


def _softmax_pair(labels: Any, logits: Any, axis: int, name: str | None = None) -> tuple[Any, Any, int]:
    x, z = _tensors(labels, logits, name)
    if x.shape.rank is not None:
        axis = _checks.softmax_shapes(() if z.shape.rank is None else z.shape, x.shape, axis, name)
    z = z if z.dtype.is_floating else tf.cast(z, tf.float32)  # further on, integers are class indices
    return x, z if z.shape.is_fully_defined() and z.shape == x.shape else tf.broadcast_to(z, tf.shape(x)), axis


def _sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
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
            _checks.known_classes(ops.array(y), x.shape[-1], name)
    return x, tf.cast(_of_shape(y, x.shape[:-1], lambda: tf.shape(x)[:-1]), tf.int64)


def _of_shape(labels: Any, known: tf.TensorShape, shape: Callable[[], Any]) -> Any:
    """Return the labels; where not all dimensions are known, by a step that fails unless they have the shape.

    Two shapes are the same if each broadcasts to the other. XLA, which drops assertions, refuses this too.
    """
    if known.is_fully_defined() and labels.shape.is_fully_defined():
        return labels
    return tf.broadcast_to(tf.broadcast_to(labels, shape()), tf.shape(labels))
