"""What the losses for JAX accept: arrays, or what JAX makes arrays of, of shapes and dtypes that fit each other."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from .. import _checks as checks


def checked(labels: Any, logits: Any, name: str | None = None, indices: bool = False) -> tuple[Any, Any]:
    """Return labels and logits as arrays of known dtypes, of any shapes."""
    checks.provided(labels, logits, name)
    x = _array("logits", logits, name)
    z = _indices(labels, name) if indices else _array("labels", labels, name)
    checks.dtypes(z, x, name, indices)
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
        raise checks.no_numbers(argument, name, error) from None


def pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    """Return labels and logits as arrays of the same shape."""
    z, x = checked(labels, logits, name)
    checks.same_shape(z.shape, x.shape, name)
    return z, x


def softmax_pair(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Any, Any, int]:
    """Return labels of the shape of logits and logits, both with the classes last, and where these were."""
    z, x = checked(labels, logits, name)
    axis = checks.softmax_shapes(z.shape, x.shape, axis, name)
    return jnp.moveaxis(jnp.broadcast_to(z, x.shape), axis, -1), jnp.moveaxis(x, axis, -1), axis


def sparse_pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Any, Any]:
    """Return class indices, each of them a class where its value is known, and logits."""
    z, x = checked(labels, logits, name, indices=True)
    checks.sparse_shapes(z.shape, x.shape, name)
    if not isinstance(z, Tracer):
        checks.known_classes(np.asarray(z), x.shape[-1], name)
    z = jnp.asarray(z)
    return z.astype(jnp.int32 if z.dtype.itemsize < 8 else jnp.int64), x
