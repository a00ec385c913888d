"""How JAX computes a loss: by a compiled kernel on the CPU, elsewhere by the formulas in array operations.

XLA programs call the kernels. Which of the two runs is decided when a program is lowered for its platform.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec, auto_axes

from .. import _core

for _name, _handler in _core.xla_handlers.items():
    jax.ffi.register_ffi_target(f"logitloss_{_name}", _handler, platform="cpu")


def formula(function: Callable[..., Any], *arrays: Any) -> Any:
    """Return a formula's result in the dtype of the first array, computed in float64 if an array is, else in float32.

    Class indices, which have one axis less, are passed on unchanged.
    """
    dtype = jnp.float64 if any(a.dtype == jnp.float64 for a in arrays) else jnp.float32

    def compute(*arrays: Any) -> Any:
        floats = (a.astype(dtype) if a.ndim == arrays[0].ndim else a for a in arrays)
        return function(jnp, *floats).astype(arrays[0].dtype)

    return with_sharding(compute, *arrays)


def compute(kernel: str, formulas: Callable[[Any, Any], tuple], x: Any, z: Any) -> tuple:
    """Return the results of the kernel on the CPU, elsewhere those of the formulas, of the same shapes and dtypes."""

    def compute(x: Any, z: Any) -> tuple:
        x, z = match_varying_axes(x, z), match_varying_axes(z, x)
        results = jax.eval_shape(formulas, x, z)
        call = jax.ffi.ffi_call(f"logitloss_{kernel}", results, vmap_method="broadcast_all")
        return jax.lax.platform_dependent(x, z, cpu=call, default=formulas)

    return with_sharding(compute, x, z)


def with_sharding(function: Callable[..., Any], *arrays: Any) -> Any:
    """Return the results of a function, sharded like the arrays.

    The function may broadcast even if the caller has forbidden rank promotion. Arrays with explicit sharding are left
    to XLA.
    """
    with jax.numpy_rank_promotion("allow"):
        sharded = [s for s in (jax.typeof(a).sharding for a in arrays) if any(s.spec)]
        if not sharded:
            return function(*arrays)
        mesh, spec = sharded[0].mesh, sharded[0].spec
        results = jax.eval_shape(function, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays))
        shardings = jax.tree.map(lambda r: NamedSharding(mesh, PartitionSpec(*spec[: r.ndim])), results)
        return auto_axes(function, out_sharding=shardings)(*arrays)


def match_varying_axes(a: Any, b: Any) -> Any:
    """Return a, typed as varying along the shard_map axes that b varies along; XLA optimises this away."""
    return jax.lax.select(jnp.bool_(True), a, jax.lax.full_like(b, 0, a.dtype, a.shape))


def sum_tangents(out: Any, *terms: tuple[Any, Callable[[Any], Any]]) -> Any:
    """Return the tangent of out, a sum of linear maps of tangents, without symbolic zeros: 0 * inf would be nan."""
    parts = [linear(t) for t, linear in terms if not isinstance(t, jax.custom_derivatives.SymbolicZero)]
    return functools.reduce(operator.add, parts).astype(out.dtype) if parts else jnp.zeros_like(out)
