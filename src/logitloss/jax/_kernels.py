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
    """The result of a formula, in the dtype of the first array; computed in float32, or float64 where one is that.

    Class indices, which have one axis less, stay what they are.
    """
    wide = jnp.float64 if any(a.dtype == jnp.float64 for a in arrays) else jnp.float32

    def compute(*arrays: Any) -> Any:
        floats = (a.astype(wide) if a.ndim == arrays[0].ndim else a for a in arrays)
        return function(jnp, *floats).astype(arrays[0].dtype)

    return with_sharding(compute, *arrays)


def compute(kernel: str, formulas: Callable[[Any, Any], tuple], x: Any, z: Any) -> tuple:
    """The results of the kernel on the processor, elsewhere those of the formulas, of the same shapes and dtypes."""

    def compute(x: Any, z: Any) -> tuple:
        x, z = match_varying_axes(x, z), match_varying_axes(z, x)
        results = jax.eval_shape(formulas, x, z)
        call = jax.ffi.ffi_call(f"logitloss_{kernel}", results, vmap_method="broadcast_all")
        return jax.lax.platform_dependent(x, z, cpu=call, default=formulas)

    return with_sharding(compute, x, z)


def with_sharding(function: Callable[..., Any], *arrays: Any) -> Any:
    """The results of a function, which may broadcast where the caller has forbidden it to code of their own.

    Arrays whose types say how they are sharded are left to XLA, and the results are sharded like them.
    """
    with jax.numpy_rank_promotion("allow"):
        sharded = [s for s in (jax.typeof(a).sharding for a in arrays) if any(s.spec)]
        if not sharded:
            return function(*arrays)
        mesh, spec = sharded[0].mesh, sharded[0].spec
        results = jax.eval_shape(function, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arrays))
        places = jax.tree.map(lambda r: NamedSharding(mesh, PartitionSpec(*spec[: r.ndim])), results)
        return auto_axes(function, out_sharding=places)(*arrays)


def match_varying_axes(a: Any, b: Any) -> Any:
    """The array a, as one that varies along the axes of a shard_map that b varies along; XLA sees through it."""
    return jax.lax.select(jnp.bool_(True), a, jax.lax.full_like(b, 0, a.dtype, a.shape))


def sum_tangents(out: Any, *terms: tuple[Any, Callable[[Any], Any]]) -> Any:
    """The tangent of out: the sum of linear maps of tangents. One that is zero is left out: 0 * inf would be nan."""
    parts = [linear(t) for t, linear in terms if not isinstance(t, jax.custom_derivatives.SymbolicZero)]
    return functools.reduce(operator.add, parts).astype(out.dtype) if parts else jnp.zeros_like(out)
