"""The losses in the signatures of optax."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp

from . import _softmax
from ._checks import arrays, class_axes, class_mask, sparse_pair
from .losses import sigmoid_cross_entropy_with_logits


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
    z, x = arrays(labels, logits)
    axes = class_axes(z.shape, x.shape, axis)
    z, mask = jnp.broadcast_to(z, x.shape), class_mask(where, x, axes)
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
    y, x = arrays(labels, logits, indices=True)
    axes = class_axes(x.shape, x.shape, axis)
    mask = class_mask(where, x, axes)
    with jax.named_scope("softmax_cross_entropy_with_integer_labels"):
        y, _ = sparse_pair(y, _classes_last(x, axes))
        return _masked(x, y, axes, mask)


def _classes_last(array: Any, axes: tuple[int, ...]) -> Any:
    """The array with the axes of the classes as one, the last."""
    array = jnp.moveaxis(array, axes, range(-len(axes), 0))
    batch = array.shape[: array.ndim - len(axes)]
    return array.reshape(*batch, math.prod(array.shape[len(batch) :]))


def _masked(x: Any, z: Any, axes: tuple[int, ...], mask: Any) -> Any:
    """The losses of the classes included; 0 for a row of none, whose logits are made 0 to keep nan out altogether."""
    if mask is None:
        return _softmax.softmax_loss(_classes_last(x, axes), z)
    some = jnp.any(mask, axis=axes, keepdims=True)
    x = jnp.where(mask, x, jnp.where(some, -jnp.inf, 0).astype(x.dtype))
    loss = _softmax.softmax_loss(_classes_last(x, axes), z)
    return jnp.where(jnp.squeeze(some, axes), loss, jnp.zeros_like(loss))
