"""The library's own functions for arrays of JAX, with the public names and arguments.

Results are arrays of JAX on the device of the logits, differentiable to any order. ``name`` is a named scope.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks, _numpy
from .._exact import ExactSum
from . import _sigmoid, _softmax
from ._checks import arrays, has_values, pair, softmax_pair, sparse_pair


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return the sigmoid cross entropy, element by element.

    With x = logits, z = labels::

        loss = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape; labels of any float, integer or bool dtype. The losses have the shape and dtype of
    the logits. At infinite logits they are the limit, with 0 * inf = 0; a nan gives nan.
    On the CPU the bits are those of NumPy arrays, jitted too. ``name`` is a named scope.
    """
    z, x = pair(labels, logits, name)
    with jax.named_scope(name or "sigmoid_cross_entropy_with_logits"):
        return _sigmoid.loss(x, z)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the sigmoid cross entropy and its derivative with respect to the logits, in one pass.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The gradient is 1 - z at inf
    and -z at -inf.
    """
    z, x = pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_value_and_grad"):
        return _sigmoid.value_and_grad(x, z)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the first and second derivative of the sigmoid cross entropy with respect to the logits.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z
        hessian  = sigmoid(x) * sigmoid(-x)

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The hessian is 0 at infinities.
    """
    z, x = pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_grad_and_hess"):
        return _sigmoid.grad_and_hess(x, z)


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return the mean of the sigmoid cross entropy and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean     = sum(loss) / n,   n = the number of elements
        gradient = (sigmoid(x) - z) / n

    Labels and logits of one shape. The gradient has the shape and dtype of the logits. The mean of no elements is nan.
    For concrete arrays on the CPU the mean is exact, rounded once, and a float. Elsewhere, and for traced arrays, it is
    ``jnp.mean``, an array of the dtype of the logits.
    """
    _checks.no_out(out)
    z, x = pair(labels, logits)
    if has_values(z, x):
        return _on_cpu(_numpy.sigmoid_cross_entropy_mean_and_grad, z, x)
    return _mean(*sigmoid_cross_entropy_value_and_grad(labels=z, logits=x))


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return the exact sum of the sigmoid cross entropy as an :class:`logitloss.ExactSum`.

    With x = logits, z = labels::

        total = sum(z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)))

    Labels and logits of one shape, whose values must be known. The total is a number of Python, not differentiable.
    """
    z, x = pair(labels, logits)
    if isinstance(z, Tracer) or isinstance(x, Tracer):
        raise _checks.traced("sigmoid_cross_entropy_total")
    return _numpy.sigmoid_cross_entropy_total(labels=np.asarray(z), logits=np.asarray(x))


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return the sigmoid cross entropy whose positive part has a weight.

    With x = logits, z = labels, w = pos_weight::

        loss = w * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape, pos_weight broadcasting to it. The losses have the shape and dtype of the logits.
    It is computed by the formula on every platform.
    """
    z, x = pair(labels, logits, name)
    w = jnp.asarray(pos_weight)
    _checks.pos_weight_fits(w, x, name)
    with jax.named_scope(name or "weighted_cross_entropy_with_logits"):
        return _sigmoid.weighted_loss(x, z, jnp.broadcast_to(w, x.shape))


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """Return the softmax cross entropy with distributions as labels, one loss per row.

    With x = logits, z = labels::

        loss = sum_j z_j * -log(softmax(x)_j)     over the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``. A logit of -inf is an
    absent class: it adds nothing beside a label of 0.
    """
    z, x, _ = softmax_pair(labels, logits, axis, name)
    with jax.named_scope(name or "softmax_cross_entropy_with_logits"):
        return _softmax.softmax_loss(x, z)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        gradient_j = sum(z) * softmax(x)_j - z_j     for the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``, the gradient has it whole.
    """
    z, x, axis = softmax_pair(labels, logits, axis)
    with jax.named_scope("softmax_cross_entropy_value_and_grad"):
        loss, gradient = _softmax.softmax_value_and_grad(x, z)
    return loss, jnp.moveaxis(gradient, -1, axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """Return the mean of the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (sum(z) * softmax(x)_j - z_j) / n

    Labels broadcast to the shape of the logits, with the classes along ``axis``.
    For concrete arrays on the CPU the mean is exact, rounded once, and a float. Elsewhere, and for traced arrays, it is
    ``jnp.mean``, an array of the dtype of the logits.
    """
    _checks.no_out(out)
    z, x = arrays(labels, logits)
    if has_values(z, x):
        return _on_cpu(functools.partial(_numpy.softmax_cross_entropy_mean_and_grad, axis=axis), z, x)
    return _mean(*softmax_cross_entropy_value_and_grad(labels=z, logits=x, axis=axis))


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """Return the softmax cross entropy with class indices as labels, one loss per row.

    With x = logits with the classes last, y = labels::

        loss = -log(softmax(x)_y)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    """
    y, x = sparse_pair(labels, logits, name)
    with jax.named_scope(name or "sparse_softmax_cross_entropy_with_logits"):
        return _softmax.softmax_loss(x, y)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        gradient_j = softmax(x)_j - (1 if j == y else 0)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    """
    y, x = sparse_pair(labels, logits)
    with jax.named_scope("sparse_softmax_cross_entropy_value_and_grad"):
        return _softmax.softmax_value_and_grad(x, y)


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """Return the mean of the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (softmax(x)_j - (1 if j == y else 0)) / n

    Labels are integers of the shape of the logits without the last axis.
    For concrete arrays on the CPU the mean is exact, rounded once, and a float. Elsewhere, and for traced arrays, it is
    ``jnp.mean``, an array of the dtype of the logits.
    """
    _checks.no_out(out)
    y, x = sparse_pair(labels, logits)
    if has_values(y, x):
        return _on_cpu(_numpy.sparse_softmax_cross_entropy_mean_and_grad, y, x)
    return _mean(*sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x))


def _on_cpu(function: Callable[..., Any], labels: Any, logits: Any) -> tuple[float, Any]:
    mean, gradient = function(labels=np.asarray(labels), logits=np.asarray(logits))
    return mean, jax.device_put(gradient, logits.sharding if logits.committed else None)


def _mean(loss: Any, gradient: Any) -> tuple[Any, Any]:
    wide = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))  # in float16 a large size is infinite
    return jnp.mean(loss), (wide / max(loss.size, 1)).astype(gradient.dtype)
