"""This library's own functions for arrays of JAX: the public functions come here for logits of :class:`jax.Array`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks as checks
from .. import _numpy
from .._exact import ExactSum
from . import _derivatives
from ._checks import checked, pair, softmax_pair, sparse_pair


def _known(*arrays: Any) -> bool:
    """Whether the values are known here and now, in the memory of the processor."""
    return not any(isinstance(a, Tracer) or {d.platform for d in a.devices()} != {"cpu"} for a in arrays)


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.sigmoid_cross_entropy_with_logits`."""
    z, x = pair(labels, logits, name)
    with jax.named_scope(name or "sigmoid_cross_entropy_with_logits"):
        return _derivatives.loss(x, z)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_value_and_grad`."""
    z, x = pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_value_and_grad"):
        return _derivatives.value_and_grad(x, z)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_grad_and_hess`."""
    z, x = pair(labels, logits)
    with jax.named_scope("sigmoid_cross_entropy_grad_and_hess"):
        return _derivatives.grad_and_hess(x, z)


def sigmoid_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """As :func:`logitloss.sigmoid_cross_entropy_mean_and_grad` for known values on the processor, where the mean is
    exact.

    Elsewhere, and for traced arrays, the mean is ``jnp.mean``, an array of the dtype of the logits.
    """
    checks.no_out(out)
    z, x = pair(labels, logits)
    if _known(z, x):
        return _host(_numpy.sigmoid_cross_entropy_mean_and_grad, z, x)
    return _mean(*sigmoid_cross_entropy_value_and_grad(labels=z, logits=x))


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """As :func:`logitloss.sigmoid_cross_entropy_total`, of arrays whose values are known; summed by the processor."""
    z, x = pair(labels, logits)
    if isinstance(z, Tracer) or isinstance(x, Tracer):
        raise checks.traced("sigmoid_cross_entropy_total")
    return _numpy.sigmoid_cross_entropy_total(labels=np.asarray(z), logits=np.asarray(x))


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.weighted_cross_entropy_with_logits`, by the formula on every platform."""
    z, x = pair(labels, logits, name)
    w = jnp.asarray(pos_weight)
    checks.pos_weight_fits(w, x, name)
    with jax.named_scope(name or "weighted_cross_entropy_with_logits"):
        return _derivatives.weighted_loss(x, z, jnp.broadcast_to(w, x.shape))


def softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, axis: int = -1, name: str | None = None) -> Any:
    """As :func:`logitloss.softmax_cross_entropy_with_logits`."""
    z, x, _ = softmax_pair(labels, logits, axis, name)
    with jax.named_scope(name or "softmax_cross_entropy_with_logits"):
        return _derivatives.softmax_loss(x, z)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """As :func:`logitloss.softmax_cross_entropy_value_and_grad`."""
    z, x, axis = softmax_pair(labels, logits, axis)
    with jax.named_scope("softmax_cross_entropy_value_and_grad"):
        loss, gradient = _derivatives.softmax_value_and_grad(x, z)
    return loss, jnp.moveaxis(gradient, -1, axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: None = None
) -> tuple[Any, Any]:
    """As :func:`logitloss.softmax_cross_entropy_mean_and_grad`; see :func:`sigmoid_cross_entropy_mean_and_grad`."""
    checks.no_out(out)
    z, x = checked(labels, logits)
    if _known(z, x):
        return _host(functools.partial(_numpy.softmax_cross_entropy_mean_and_grad, axis=axis), z, x)
    return _mean(*softmax_cross_entropy_value_and_grad(labels=z, logits=x, axis=axis))


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Any, name: str | None = None) -> Any:
    """As :func:`logitloss.sparse_softmax_cross_entropy_with_logits`; a traced label that is no class gives nan."""
    y, x = sparse_pair(labels, logits, name)
    with jax.named_scope(name or "sparse_softmax_cross_entropy_with_logits"):
        return _derivatives.softmax_loss(x, y)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """As :func:`logitloss.sparse_softmax_cross_entropy_value_and_grad`; a traced label that is no class gives nan."""
    y, x = sparse_pair(labels, logits)
    with jax.named_scope("sparse_softmax_cross_entropy_value_and_grad"):
        return _derivatives.softmax_value_and_grad(x, y)


def sparse_softmax_cross_entropy_mean_and_grad(*, labels: Any, logits: Any, out: None = None) -> tuple[Any, Any]:
    """As :func:`logitloss.sparse_softmax_cross_entropy_mean_and_grad`; the mean is as above."""
    checks.no_out(out)
    y, x = sparse_pair(labels, logits)
    if _known(y, x):
        return _host(_numpy.sparse_softmax_cross_entropy_mean_and_grad, y, x)
    return _mean(*sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x))


def _host(function: Callable[..., Any], labels: Any, logits: Any) -> tuple[float, Any]:
    mean, gradient = function(labels=np.asarray(labels), logits=np.asarray(logits))
    return mean, jax.device_put(gradient, logits.sharding if logits.committed else None)


def _mean(loss: Any, gradient: Any) -> tuple[Any, Any]:
    wide = gradient.astype(jnp.promote_types(gradient.dtype, jnp.float32))  # in float16 a large size is infinite
    return jnp.mean(loss), (wide / max(loss.size, 1)).astype(gradient.dtype)
