"""What the functions for JAX accept: labels and logits become arrays of JAX, with checked dtypes and shapes."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks


def arrays(labels: Any, logits: Any, name: str | None = None, indices: bool = False) -> tuple[Any, Any]:
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


def pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    z, x = arrays(labels, logits, name)
    _checks.same_shape(z.shape, x.shape, name)
    return z, x


def softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, Any, int]:
    z, x = arrays(labels, logits, name)
    axis = _checks.softmax_shapes(z.shape, x.shape, axis, name)
    return jnp.moveaxis(jnp.broadcast_to(z, x.shape), axis, -1), jnp.moveaxis(x, axis, -1), axis


def sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    z, x = arrays(labels, logits, name, indices=True)
    _checks.sparse_shapes(z.shape, x.shape, name)
    if not isinstance(z, Tracer):
        _checks.known_classes(np.asarray(z), x.shape[-1], name)
    z = jnp.asarray(z)
    return z.astype(jnp.int32 if z.dtype.itemsize < 8 else jnp.int64), x


def has_values(*arrays: Any) -> bool:
    """Whether the values are known here and now, in the memory of the processor."""
    return not any(isinstance(a, Tracer) or {d.platform for d in a.devices()} != {"cpu"} for a in arrays)


def class_axes(labels: Any, logits: Any, axis: Any) -> tuple[int, ...]:
    several = axis if isinstance(axis, tuple) else (axis,)
    axes = tuple(_checks.softmax_shapes(labels, logits, one) % len(logits) for one in several)
    _checks.axes_once(axes)
    return axes


def class_mask(where: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """The classes to include, shaped and sharded as the logits; a mask of rows includes all classes of a row."""
    if where is None:
        return None
    where = jnp.asarray(where, bool)
    if where.ndim != x.ndim and where.ndim == x.ndim - len(axes):
        where = jnp.expand_dims(where, axes)
    _checks.mask_fits(where.shape, x.shape)
    return jnp.broadcast_to(where, x.shape) | jnp.zeros_like(x, bool)
