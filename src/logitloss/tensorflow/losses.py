"""The library's own functions for tensors of TensorFlow, with the public names and arguments.

Four of them have the names and signatures of functions of ``tf.nn`` and replace these. They work eagerly, in
``tf.function`` and under XLA, differentiable to any order. Eager tensors on the CPU have the accuracy and the bits of
NumPy arrays. Traced tensors, and those on other devices, are as accurate as TensorFlow's exp, log1p and division; there
a class index outside the classes gives nan, and subnormal numbers are flushed to 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from .. import _checks, _numpy, ufuncs
from .._exact import ExactSum
from . import _sigmoid, _softmax
from ._checks import NUMBERS, pair, softmax_pair, sparse_pair, tensor
from ._kernels import aligned_array, array, compute_dtype, has_host_memory, kernel, to_tensor


def sigmoid_cross_entropy_with_logits(labels: Any = None, logits: Any = None, name: str | None = None) -> Any:
    """Return the sigmoid cross entropy, element by element.

    With x = logits, z = labels::

        loss = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape; labels of any float, integer or bool dtype. The losses have the shape and dtype of
    the logits. At infinite logits they are the limit, with 0 * inf = 0; a nan gives nan.
    It replaces ``tf.nn.sigmoid_cross_entropy_with_logits``. Eager tensors on the CPU have the bits of NumPy arrays.
    """
    with tf.name_scope(name or "logistic_loss") as scope:
        return _named(_sigmoid.loss(*pair(labels, logits, name)), scope)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the sigmoid cross entropy and its derivative with respect to the logits, in one pass.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The gradient is 1 - z at inf
    and -z at -inf.
    """
    x, z = pair(labels, logits)
    computed = kernel(ufuncs.sigmoid_cross_entropy_value_and_grad, x, z) if has_host_memory(x) else (None, None)
    return _sigmoid.loss(x, z, *computed), _sigmoid.gradient(x, z, computed[1])


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the first and second derivative of the sigmoid cross entropy with respect to the logits.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z
        hessian  = sigmoid(x) * sigmoid(-x)

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The hessian is 0 at infinities.
    """
    x, z = pair(labels, logits)
    computed = kernel(ufuncs.sigmoid_cross_entropy_grad_and_hess, x, z) if has_host_memory(x) else (None, None)
    return _sigmoid.gradient(x, z, computed[0]), _sigmoid.hessian(x, computed[1])


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return the mean of the sigmoid cross entropy and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean     = sum(loss) / n,   n = the number of elements
        gradient = (sigmoid(x) - z) / n

    Labels and logits of one shape. The gradient has the shape and dtype of the logits. The mean of no elements is nan.
    For eager tensors on the CPU the mean is exact, rounded once, and a float. Elsewhere it is TensorFlow's, a scalar
    tensor of at least float32. Both results are constants to a tape.
    """
    x, z = pair(labels, logits)
    return _mean_and_grad(_numpy.sigmoid_cross_entropy_mean_and_grad, _sigmoid.loss, _sigmoid.gradient, x, z, out)


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return the exact sum of the sigmoid cross entropy as an :class:`logitloss.ExactSum`.

    With x = logits, z = labels::

        total = sum(z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)))

    Labels and logits of one shape, whose values must be known. The total is a number of Python, not differentiable.
    """
    x, z = pair(labels, logits)
    if tf.is_symbolic_tensor(x) or tf.is_symbolic_tensor(z):
        raise TypeError(
            "labels and logits must be eager tensors to be summed exactly, got symbolic ones. "
            "Call it outside of tf.function, or sum the losses with tf.reduce_sum."
        )
    return _numpy.sigmoid_cross_entropy_total(labels=array(z), logits=array(x))


def weighted_cross_entropy_with_logits(labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return the sigmoid cross entropy whose positive part has a weight.

    With x = logits, z = labels, w = pos_weight::

        loss = w * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape, pos_weight broadcasting to it. The losses have the shape and dtype of the logits.
    It replaces ``tf.nn.weighted_cross_entropy_with_logits``; its gradient at a logit of 0 is right, too.
    """
    with tf.name_scope(name or "logistic_loss") as scope:
        x, z = pair(labels, logits, name)
        weight = tensor("pos_weight", pos_weight, NUMBERS)
        if x.shape.rank is not None and weight.shape.rank is not None:
            _checks.weight_fits(weight.shape, x.shape, name)
        return _named(_sigmoid.weighted_loss(x, z, weight), scope)


def softmax_cross_entropy_with_logits(labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return the softmax cross entropy with distributions as labels, one loss per row.

    With x = logits, z = labels::

        loss = sum_j z_j * -log(softmax(x)_j)     over the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``. A logit of -inf is an
    absent class: it adds nothing beside a label of 0.
    It replaces ``tf.nn.softmax_cross_entropy_with_logits``.
    """
    with tf.name_scope(name or "softmax_cross_entropy_with_logits") as scope:
        return _named(_softmax.softmax_loss(*softmax_pair(labels, logits, axis, name)), scope)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        gradient_j = sum(z) * softmax(x)_j - z_j     for the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``, the gradient has it whole.
    """
    return _softmax_value_and_grad(*softmax_pair(labels, logits, axis))


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """Return the mean of the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (sum(z) * softmax(x)_j - z_j) / n

    Labels broadcast to the shape of the logits, with the classes along ``axis``.
    For eager tensors on the CPU the mean is exact, rounded once, and a float. Elsewhere it is TensorFlow's, a scalar
    tensor of at least float32. Both results are constants to a tape.
    """
    x, z, axis = softmax_pair(labels, logits, axis)
    exact = _numpy.softmax_cross_entropy_mean_and_grad
    return _mean_and_grad(exact, _softmax.softmax_loss, _softmax.softmax_gradient, x, z, out, axis=axis)


def sparse_softmax_cross_entropy_with_logits(labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return the softmax cross entropy with class indices as labels, one loss per row.

    With x = logits with the classes last, y = labels::

        loss = -log(softmax(x)_y)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    It replaces ``tf.nn.sparse_softmax_cross_entropy_with_logits``.
    """
    with tf.name_scope(name or "SparseSoftmaxCrossEntropyWithLogits") as scope:
        return _named(_softmax.softmax_loss(*sparse_pair(labels, logits, name)), scope)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        gradient_j = softmax(x)_j - (1 if j == y else 0)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    """
    return _softmax_value_and_grad(*sparse_pair(labels, logits))


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return the mean of the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (softmax(x)_j - (1 if j == y else 0)) / n

    Labels are integers of the shape of the logits without the last axis.
    For eager tensors on the CPU the mean is exact, rounded once, and a float. Elsewhere it is TensorFlow's, a scalar
    tensor of at least float32. Both results are constants to a tape.
    """
    x, y = sparse_pair(labels, logits)
    exact = _numpy.sparse_softmax_cross_entropy_mean_and_grad
    return _mean_and_grad(exact, _softmax.softmax_loss, _softmax.softmax_gradient, x, y, out)


def _softmax_value_and_grad(x: Any, z: Any, axis: int = -1) -> tuple[Any, Any]:
    computed = _softmax.softmax_kernel(x, z, axis, gradient=True) if has_host_memory(x) else (None, None)
    return _softmax.softmax_loss(x, z, axis, *computed), _softmax.softmax_gradient(x, z, axis, computed[1])


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
    if has_host_memory(x):
        gradient_array = aligned_array(x.shape, x.dtype)
        mean, _ = exact(labels=array(z), logits=array(x), out=gradient_array, **axis)
        return mean, to_tensor(gradient_array)
    values, slopes = (
        tf.stop_gradient(tf.cast(function(x, z, **axis), compute_dtype(x))) for function in (loss, gradient)
    )
    return tf.reduce_mean(values), tf.cast(slopes / tf.cast(tf.size(values), slopes.dtype), x.dtype)


def _named(loss: Any, scope: str) -> Any:
    """Give the operation that returns the loss its name."""
    return loss if tf.executing_eagerly() else tf.identity(loss, name=scope)
