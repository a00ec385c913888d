"""The losses for JAX: optax's signatures, and this library's own functions for arrays of JAX."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks, _numpy
from .._exact import ExactSum
from . import _derivatives

# --- this library's functions, to which logitloss.* hands arrays of JAX
# ---------------------------------------------------


def _checked(labels: Any, logits: Any, name: str | None = None, indices: bool = False) -> tuple[Any, Any]:
    _checks.provided(labels, logits, name)
    x = _array("logits", logits, name)
    z = _indices(labels, name) if indices else _array("labels", labels, name)
    _checks.dtypes(z, x, name, indices)
    return z, x


def _indices(labels: Any, name: str | None) -> Any:
    """Class indices with all their digits, until they are checked: JAX cuts int64 to 32 bits."""
    if isinstance(labels, jax.Array):
        return labels
    traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(labels))
    return _array("labels", labels, name, jnp if traced else np)


def _array(argument: str, value: Any, name: str | None, of: Any = jnp) -> Any:
    try:
        return of.asarray(value)
    except (TypeError, ValueError) as error:
        raise _checks.no_numbers(argument, name, error) from None


def _pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    z, x = _checked(labels, logits, name)
    _checks.same_shape(z.shape, x.shape, name)
    return z, x


def _softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, Any, int]:
    z, x = _checked(labels, logits, name)
    axis = _checks.softmax_shapes(z.shape, x.shape, axis, name)
    return jnp.moveaxis(jnp.broadcast_to(z, x.shape), axis, -1), jnp.moveaxis(x, axis, -1), axis


def _sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    z, x = _checked(labels, logits, name, indices=True)
    _checks.sparse_shapes(z.shape, x.shape, name)
    if not isinstance(z, Tracer):
        _checks.known_classes(np.asarray(z), x.shape[-1], name)
    z = jnp.asarray(z)
    return z.astype(jnp.int32 if z.dtype.itemsize < 8 else jnp.int64), x


def _known(*arrays: Any) -> bool:
    """Whether the values are known here and now, in the memory of the processor."""
    return not any(isinstance(a, Tracer) or {d.platform for d in a.devices()} != {"cpu"} for a in arrays)


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.sigmoid_cross_entropy_with_logits`."""
    z, x = _pair(labels, logits, name)
    with jax.named_scope(name or "sigmoid_cross_entropy_with_logits"):
        return _derivatives.loss(x, z)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_value_and_grad`."""
    z, x = _pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_value_and_grad"):
        return _derivatives.value_and_grad(x, z)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_grad_and_hess`."""
    z, x = _pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_grad_and_hess"):
        return _derivatives.grad_and_hess(x, z)


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` for known values on the processor, where the mean is
    exact.

    Elsewhere, and for traced arrays, the mean is ``jnp.mean``, an array of the dtype of the logits.
    """
    _checks.no_out(out)
    z, x = _pair(labels, logits)
    if _known(z, x):
        return _host(_numpy.sigmoid_cross_entropy_mean_and_grad, z, x)
    return _mean(*sigmoid_cross_entropy_value_and_grad(labels=z, logits=x))


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """As :func:`logitloss.sigmoid_cross_entropy_total`, of arrays whose values are known; summed by the processor."""
    z, x = _pair(labels, logits)
    if isinstance(z, Tracer) or isinstance(x, Tracer):
        raise _checks.traced("sigmoid_cross_entropy_total")
    return _numpy.sigmoid_cross_entropy_total(labels=np.asarray(z), logits=np.asarray(x))


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.weighted_cross_entropy_with_logits`, by the formula on every platform."""
    z, x = _pair(labels, logits, name)
    w = jnp.asarray(pos_weight)
    _checks.pos_weight_fits(w, x, name)
    with jax.named_scope(name or "weighted_cross_entropy_with_logits"):
        return _derivatives.weighted_loss(x, z, jnp.broadcast_to(w, x.shape))


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """As :func:`logitloss.softmax_cross_entropy_with_logits`."""
    z, x, _ = _softmax_pair(labels, logits, axis, name)
    with jax.named_scope(name or "softmax_cross_entropy_with_logits"):
        return _derivatives.softmax_loss(x, z)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """As :func:`logitloss.softmax_cross_entropy_value_and_grad`."""
    z, x, axis = _softmax_pair(labels, logits, axis)
    with jax.named_scope("softmax_cross_entropy_value_and_grad"):
        loss, gradient = _derivatives.softmax_value_and_grad(x, z)
    return loss, jnp.moveaxis(gradient, -1, axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """As :func:`logitloss.softmax_cross_entropy_mean_and_grad`; see :func:`sigmoid_cross_entropy_mean_and_grad`."""
    _checks.no_out(out)
    z, x = _checked(labels, logits)
    if _known(z, x):
        return _host(functools.partial(_numpy.softmax_cross_entropy_mean_and_grad, axis=axis), z, x)
    return _mean(*softmax_cross_entropy_value_and_grad(labels=z, logits=x, axis=axis))


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.sparse_softmax_cross_entropy_with_logits`; a traced label that is no class gives nan."""
    y, x = _sparse_pair(labels, logits, name)
    with jax.named_scope(name or "sparse_softmax_cross_entropy_with_logits"):
        return _derivatives.softmax_loss(x, y)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad`; a traced label that is no class gives nan."""
    y, x = _sparse_pair(labels, logits)
    with jax.named_scope("sparse_softmax_cross_entropy_value_and_grad"):
        return _derivatives.softmax_value_and_grad(x, y)


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """As :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad`; the mean is as above."""
    _checks.no_out(out)
    y, x = _sparse_pair(labels, logits)
    if _known(y, x):
        return _host(_numpy.sparse_softmax_cross_entropy_mean_and_grad, y, x)
    return _mean(*sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x))


def _host(function: Callable[..., Any], labels: Any, logits: Any) -> tuple[float, Any]:
    mean, gradient = function(labels=np.asarray(labels), logits=np.asarray(logits))
    return mean, jax.device_put(gradient, logits.sharding if logits.committed else None)


def _mean(loss: Any, gradient: Any) -> tuple[Any, Any]:
    wide = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))  # in float16 a large size is infinite
    return jnp.mean(loss), (wide / max(loss.size, 1)).astype(gradient.dtype)


# --- optax's signatures ----------------------------------------------------------------------------------------------


def sigmoid_binary_cross_entropy(logits: Any, labels: Any) -> Any:
    """Return the sigmoid cross entropy, element by element, in optax's signature.

    ::

        loss = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Parameters
    ----------
    logits : array_like
        The log-odds x: float16, bfloat16, float32 or float64.
    labels : array_like
        The labels z, of the same shape: any number.

    Returns
    -------
    jax.Array
        Of the shape and dtype of the logits.

    Raises
    ------
    ValueError, TypeError
        As :func:`logitloss.sigmoid_cross_entropy_with_logits`: shapes that differ are not broadcast.

    Notes
    -----
    Special values: those of :func:`logitloss.sigmoid_cross_entropy_with_logits`, in every derivative.

    Accuracy: on the processor the bits of :func:`logitloss.sigmoid_cross_entropy_with_logits`, the gradient and the
    hessian those of :func:`logitloss.sigmoid_cross_entropy_grad_and_hess`. Elsewhere within 4 ulp in float32 and
    float64, rounded once more in float16 and bfloat16; XLA may flush subnormal numbers to 0.

    Source: optax, whose signature this is.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from logitloss.jax import sigmoid_binary_cross_entropy
    >>> logits, labels = jnp.array([17.0, -17.0]), jnp.array([1.0, 0.0])
    >>> jax.jit(sigmoid_binary_cross_entropy)(logits, labels)
    Array([4.1399375e-08, 4.1399375e-08], dtype=float32)
    >>> jax.grad(lambda x: sigmoid_binary_cross_entropy(x, labels).sum())(logits)
    Array([-4.1399375e-08,  4.1399375e-08], dtype=float32)
    """
    return sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


def softmax_cross_entropy(logits: Any, labels: Any, axis: Any = -1, where: Any = None) -> Any:
    """Return the softmax cross entropy with distributions, one loss per row, in optax's signature.

    ::

        loss = sum_j z_j * -log(softmax(x)_j)     the classes j along axis, those of them that where includes

    Parameters
    ----------
    logits : array_like
        The unscaled log-probabilities x: float16, bfloat16, float32 or float64.
    labels : array_like
        The probabilities z of the classes, of the shape of logits or broadcasting to it without enlarging it.
    axis : int or tuple of int
        The axis of the classes, or several.
    where : array_like, optional
        Which classes to include, or which rows: bool, broadcasting to the shape of logits with or without ``axis``. A
        class that is left out is absent, whatever its logit and label; the loss of a row without classes is 0.

    Returns
    -------
    jax.Array
        Of the dtype of the logits and their shape without ``axis``.

    Raises
    ------
    ValueError, TypeError
        As :func:`logitloss.softmax_cross_entropy_with_logits`.

    Notes
    -----
    Special values: those of :func:`logitloss.softmax_cross_entropy_with_logits`, in every derivative.

    Accuracy: on the processor the bits of :func:`logitloss.softmax_cross_entropy_value_and_grad`.

    Source: optax, whose signature this is.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from logitloss.jax import softmax_cross_entropy
    >>> softmax_cross_entropy(jnp.array([[40.0, 0.0], [-jnp.inf, 1.0]]), jnp.array([[1.0, 0.0], [0.0, 1.0]]))
    Array([4.248354e-18, 0.000000e+00], dtype=float32)
    """
    z, x = _checked(labels, logits)
    axes = _axes(z.shape, x.shape, axis)
    z, mask = jnp.broadcast_to(z, x.shape), _mask(where, x, axes)
    with jax.named_scope("softmax_cross_entropy"):
        if mask is not None:
            z = jnp.where(mask, z, jnp.zeros_like(z))
        return _masked(x, _classes_last(z, axes), axes, mask)


def softmax_cross_entropy_with_integer_labels(logits: Any, labels: Any, axis: Any = -1, where: Any = None) -> Any:
    """Return the softmax cross entropy with class indices, one loss per row, in optax's signature.

    Parameters, errors, special values and accuracy are those of :func:`softmax_cross_entropy`, but ``labels`` are the
    index of the right class of each row, of any integer dtype and the shape of logits without ``axis``; with several
    axes it counts along the last of them first. An index that is no class is a ``ValueError``, where its value is
    known, else it gives nan. The loss of a right class that ``where`` leaves out is inf.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from logitloss.jax import softmax_cross_entropy_with_integer_labels
    >>> softmax_cross_entropy_with_integer_labels(jnp.array([[40.0, 0.0], [0.0, 0.0]]), jnp.array([0, 1]))
    Array([4.248354e-18, 6.931472e-01], dtype=float32)
    """
    y, x = _checked(labels, logits, indices=True)
    axes = _axes(x.shape, x.shape, axis)
    mask = _mask(where, x, axes)
    with jax.named_scope("softmax_cross_entropy_with_integer_labels"):
        y, _ = _sparse_pair(y, _classes_last(x, axes))
        return _masked(x, y, axes, mask)


def _axes(labels: Any, logits: Any, axis: Any) -> tuple[int, ...]:
    several = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(_checks.softmax_shapes(labels, logits, one) % len(logits) for one in several)
    _checks.axes_once(axes)
    return axes


def _classes_last(array: Any, axes: tuple[int, ...]) -> Any:
    """The array with the axes of the classes as one, the last."""
    array = jnp.moveaxis(array, axes, range(-len(axes), 0))
    batch = array.shape[: array.ndim - len(axes)]
    return array.reshape(*batch, math.prod(array.shape[len(batch) :]))


def _mask(where: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The classes to include, shaped and sharded as the logits; a mask of rows includes all classes of a row."""
    if where is None:
        return None
    where = jnp.asarray(where, bool)
    if where.ndim != x.ndim and where.ndim == x.ndim - len(axes):
        where = jnp.expand_dims(where, axes)
    _checks.mask_fits(where.shape, x.shape)
    return jnp.broadcast_to(where, x.shape) | jnp.zeros_like(x, bool)


def _masked(x: Any, z: Any, axes: tuple[int, ...], mask: Any) -> Any:
    """The losses of the classes included; 0 for a row of none, whose logits are made 0 to keep nan out altogether."""
    if mask is None:
        return _derivatives.softmax_loss(_classes_last(x, axes), z)
    some = jnp.any(mask, axis=axes, keepdims=True)
    x = jnp.where(mask, x, jnp.where(some, -jnp.inf, 0).astype(x.dtype))
    loss = _derivatives.softmax_loss(_classes_last(x, axes), z)
    return jnp.where(jnp.squeeze(some, axes), loss, jnp.zeros_like(loss))
