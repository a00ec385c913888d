"""The losses as differentiable functions of JAX arrays, checked ones.

On the processor the compiled kernels run, called by the XLA program; elsewhere the formulas in array operations. Which
of them is settled when a program is lowered for its platform. Derivatives of any order, forward and reverse, have
formulas of their own: each function below calls the next one for its derivative.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec, auto_axes

from .. import _core, _formulas

for _name, _handler in _core.xla_handlers.items():
    jax.ffi.register_ffi_target(f"logitloss_{_name}", _handler, platform="cpu")


# --- one call of a kernel or a formula -------------------------------------------------------------------------------


def _formula(function: Callable[..., Any], *arrays: Any) -> Any:
    """The result of a formula, in the dtype of the first array; computed in float32, or float64 where one is that.

    Class indices, which have one axis less, stay what they are.
    """
    wide = jnp.float64 if any(a.dtype == jnp.float64 for a in arrays) else jnp.float32

    def compute(*arrays: Any) -> Any:
        floats = (a.astype(wide) if a.ndim == arrays[0].ndim else a for a in arrays)
        return function(jnp, *floats).astype(arrays[0].dtype)

    return _placed(compute, *arrays)


def _compute(kernel: str, formulas: Callable[[Any, Any], tuple], x: Any, z: Any) -> tuple:
    """The results of the kernel on the processor, elsewhere those of the formulas, of the same shapes and dtypes."""

    def compute(x: Any, z: Any) -> tuple:
        x, z = _varying(x, z), _varying(z, x)
        results = jax.eval_shape(formulas, x, z)
        call = jax.ffi.ffi_call(f"logitloss_{kernel}", results, vmap_method="broadcast_all")
        return jax.lax.platform_dependent(x, z, cpu=call, default=formulas)

    return _placed(compute, x, z)


def _placed(function: Callable[..., Any], *arrays: Any) -> Any:
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


def _varying(a: Any, b: Any) -> Any:
    """The array a, as one that varies along the axes of a shard_map that b varies along; XLA sees through it."""
    return jax.lax.select(jnp.bool_(True), a, jax.lax.full_like(b, 0, a.dtype, a.shape))


def _along(out: Any, *terms: tuple[Any, Callable[[Any], Any]]) -> Any:
    """The tangent of out: the sum of linear maps of tangents. One that is zero is left out: 0 * inf would be nan."""
    parts = [linear(t) for t, linear in terms if not isinstance(t, jax.custom_derivatives.SymbolicZero)]
    return functools.reduce(operator.add, parts).astype(out.dtype) if parts else jnp.zeros_like(out)


# --- sigmoid: loss -> gradient -> hessian -> its slope ---------------------------------------------------------------


@jax.custom_jvp
@jax.jit
def loss(x: Any, z: Any) -> Any:
    """The losses."""
    return _compute("sigmoid_cross_entropy", lambda x, z: (_formula(_formulas.loss, x, z),), x, z)[0]


@jax.custom_jvp
@jax.jit
def value_and_grad(x: Any, z: Any) -> Any:
    """The losses and gradients."""

    def formulas(x: Any, z: Any) -> tuple:
        return _formula(_formulas.loss, x, z), _formula(_formulas.gradient, x, z)

    return _compute("sigmoid_cross_entropy_value_and_grad", formulas, x, z)


@jax.custom_jvp
@jax.jit
def grad_and_hess(x: Any, z: Any) -> Any:
    """The gradients and hessians."""

    def formulas(x: Any, z: Any) -> tuple:
        return _formula(_formulas.gradient, x, z), _formula(_formulas.hessian, x)

    return _compute("sigmoid_cross_entropy_grad_and_hess", formulas, x, z)


@functools.partial(loss.defjvp, symbolic_zeros=True)
def _loss_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    value, gradient = value_and_grad(x, z)
    return value, _along(value, (dx, lambda t: gradient * t), (dz, lambda t: -x * t))


@functools.partial(value_and_grad.defjvp, symbolic_zeros=True)
def _value_and_grad_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    value, (gradient, hessian) = loss(x, z), grad_and_hess(x, z)
    slope = _along(value, (dx, lambda t: gradient * t), (dz, lambda t: -x * t))
    return (value, gradient), (slope, _along(gradient, (dx, lambda t: hessian * t), (dz, operator.neg)))


@functools.partial(grad_and_hess.defjvp, symbolic_zeros=True)
def _grad_and_hess_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    gradient, hessian = grad_and_hess(x, z)
    slope = _along(gradient, (dx, lambda t: hessian * t), (dz, operator.neg))
    return (gradient, hessian), (
        slope,
        _along(hessian, (dx, lambda t: _formula(_formulas.hessian_slope, x, hessian) * t)),
    )


# --- with a weight of the positive class: of its derivatives there are no kernels ------------------------------------


@jax.custom_jvp
@jax.jit
def weighted_loss(x: Any, z: Any, w: Any) -> Any:
    """The losses."""
    return _formula(_formulas.loss, x, z, w)


@jax.custom_jvp
@jax.jit
def _weighted_gradient(x: Any, z: Any, w: Any) -> Any:
    return _formula(_formulas.gradient, x, z, w)


@functools.partial(weighted_loss.defjvp, symbolic_zeros=True)
def _weighted_loss_jvp(primals: Any, tangents: Any) -> Any:
    (x, z, w), (dx, dz, dw) = primals, tangents
    value, one = weighted_loss(x, z, w), jnp.ones_like(x)
    return value, _along(
        value,
        (dx, lambda t: _weighted_gradient(x, z, w) * t),
        (dz, lambda t: (weighted_loss(x, one, w) - loss(x, 1 - one)) * t),
        (dw, lambda t: weighted_loss(x, one, z) * t),
    )


@functools.partial(_weighted_gradient.defjvp, symbolic_zeros=True)
def _weighted_gradient_jvp(primals: Any, tangents: Any) -> Any:
    (x, z, w), (dx, dz, dw) = primals, tangents
    gradient, one = _weighted_gradient(x, z, w), jnp.ones_like(x)
    sigmoid, hessian = grad_and_hess(x, 1 - one)
    return gradient, _along(
        gradient,
        (dx, lambda t: (w * z + (1 - z)) * hessian * t),
        (dz, lambda t: (_weighted_gradient(x, one, w) - sigmoid) * t),
        (dw, lambda t: _weighted_gradient(x, one, z) * t),
    )


# --- softmax, the classes last: loss -> gradient -> probabilities -> their tangent -----------------------------------


def _softmax_formula(dense: Callable[..., Any], sparse: Callable[..., Any], x: Any, z: Any) -> Any:
    """The formula for distributions, or for class indices."""
    return _formula(dense if z.ndim == x.ndim else sparse, x, z)


@jax.jit  # so that jax_debug_nans, which looks at results, does not see what one_hot has for an index that is no class
def _totals(x: Any, z: Any) -> Any:
    """The sums of the labels of each row."""
    z = z if z.ndim == x.ndim else _placed(lambda x, y: _formulas.one_hot(jnp, y, x), x, z)
    return jnp.sum(z, axis=-1, keepdims=True)


@jax.custom_jvp
@jax.jit
def softmax_loss(x: Any, z: Any) -> Any:
    """The losses."""

    def formulas(x: Any, z: Any) -> tuple:
        return (_softmax_formula(_formulas.softmax_loss, _formulas.sparse_softmax_loss, x, z),)

    return _compute("softmax_cross_entropy", formulas, x, z)[0]


@jax.custom_jvp
@jax.jit
def softmax_value_and_grad(x: Any, z: Any) -> Any:
    """The losses and gradients."""

    def formulas(x: Any, z: Any) -> tuple:
        loss = _softmax_formula(_formulas.softmax_loss, _formulas.sparse_softmax_loss, x, z)
        return loss, _softmax_formula(_formulas.softmax_gradient, _formulas.sparse_softmax_gradient, x, z)

    return _compute("softmax_cross_entropy", formulas, x, z)


@jax.custom_jvp
@jax.jit
def _softmax(x: Any) -> Any:
    return _formula(_formulas.softmax, x)


@jax.custom_jvp
@jax.jit
def _softmax_losses(x: Any) -> Any:
    return _formula(_formulas.softmax_losses, x)


def _softmax_slope(value: Any, gradient: Any, x: Any, dx: Any, dz: Any) -> Any:
    return _along(
        value,
        (dx, lambda t: jnp.sum(gradient * t, axis=-1)),
        (dz, lambda t: jnp.sum(_softmax_losses(x) * t, axis=-1)),
    )


@functools.partial(softmax_loss.defjvp, symbolic_zeros=True)
def _softmax_loss_jvp(primals: Any, tangents: Any) -> Any:
    value, gradient = softmax_value_and_grad(*primals)
    return value, _softmax_slope(value, gradient, primals[0], *tangents)


@functools.partial(softmax_value_and_grad.defjvp, symbolic_zeros=True)
def _softmax_value_and_grad_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    value, gradient = softmax_value_and_grad(x, z)
    p, total = _softmax(x), _totals(x, z)
    return (value, gradient), (
        _softmax_slope(value, gradient, x, dx, dz),
        _along(
            gradient,
            (dx, lambda t: total * _formula(_formulas.softmax_tangent, p, t)),
            (dz, lambda t: p * jnp.sum(t, axis=-1, keepdims=True) - t),
        ),
    )


@functools.partial(_softmax.defjvp, symbolic_zeros=True)
def _softmax_jvp(primals: Any, tangents: Any) -> Any:
    p = _softmax(*primals)
    return p, _along(p, (*tangents, functools.partial(_formula, _formulas.softmax_tangent, p)))


@functools.partial(_softmax_losses.defjvp, symbolic_zeros=True)
def _softmax_losses_jvp(primals: Any, tangents: Any) -> Any:
    losses, p = _softmax_losses(*primals), _softmax(*primals)
    return losses, _along(losses, (*tangents, functools.partial(_formula, _formulas.softmax_losses_tangent, p)))
