"""The sigmoid losses of checked JAX arrays, differentiable to any order in forward and reverse mode.

Each function calls the next one for its derivative: loss, gradient, hessian, slope of the hessian.
"""

from __future__ import annotations

import functools
import operator
from typing import Any

import jax
import jax.numpy as jnp

from .. import _formulas
from ._kernels import compute, formula, sum_tangents


@jax.custom_jvp
@jax.jit
def loss(x: Any, z: Any) -> Any:
    """The losses."""
    return compute("sigmoid_cross_entropy", lambda x, z: (formula(_formulas.loss, x, z),), x, z)[0]


@jax.custom_jvp
@jax.jit
def value_and_grad(x: Any, z: Any) -> Any:
    """The losses and gradients."""

    def formulas(x: Any, z: Any) -> tuple:
        return formula(_formulas.loss, x, z), formula(_formulas.gradient, x, z)

    return compute("sigmoid_cross_entropy_value_and_grad", formulas, x, z)


@jax.custom_jvp
@jax.jit
def grad_and_hess(x: Any, z: Any) -> Any:
    """The gradients and hessians."""

    def formulas(x: Any, z: Any) -> tuple:
        return formula(_formulas.gradient, x, z), formula(_formulas.hessian, x)

    return compute("sigmoid_cross_entropy_grad_and_hess", formulas, x, z)


@functools.partial(loss.defjvp, symbolic_zeros=True)
def _loss_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    value, gradient = value_and_grad(x, z)
    return value, sum_tangents(value, (dx, lambda t: gradient * t), (dz, lambda t: -x * t))


@functools.partial(value_and_grad.defjvp, symbolic_zeros=True)
def _value_and_grad_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    value, (gradient, hessian) = loss(x, z), grad_and_hess(x, z)
    slope = sum_tangents(value, (dx, lambda t: gradient * t), (dz, lambda t: -x * t))
    return (value, gradient), (slope, sum_tangents(gradient, (dx, lambda t: hessian * t), (dz, operator.neg)))


@functools.partial(grad_and_hess.defjvp, symbolic_zeros=True)
def _grad_and_hess_jvp(primals: Any, tangents: Any) -> Any:
    (x, z), (dx, dz) = primals, tangents
    gradient, hessian = grad_and_hess(x, z)
    slope = sum_tangents(gradient, (dx, lambda t: hessian * t), (dz, operator.neg))
    return (gradient, hessian), (
        slope,
        sum_tangents(hessian, (dx, lambda t: formula(_formulas.hessian_slope, x, hessian) * t)),
    )


# --- with a weight of the positive class: of its derivatives there are no kernels ------------------------------------


@jax.custom_jvp
@jax.jit
def weighted_loss(x: Any, z: Any, w: Any) -> Any:
    """The losses."""
    return formula(_formulas.loss, x, z, w)


@jax.custom_jvp
@jax.jit
def _weighted_gradient(x: Any, z: Any, w: Any) -> Any:
    return formula(_formulas.gradient, x, z, w)


@functools.partial(weighted_loss.defjvp, symbolic_zeros=True)
def _weighted_loss_jvp(primals: Any, tangents: Any) -> Any:
    (x, z, w), (dx, dz, dw) = primals, tangents
    value, one = weighted_loss(x, z, w), jnp.ones_like(x)
    return value, sum_tangents(
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
    return gradient, sum_tangents(
        gradient,
        (dx, lambda t: (w * z + (1 - z)) * hessian * t),
        (dz, lambda t: (_weighted_gradient(x, one, w) - sigmoid) * t),
        (dw, lambda t: _weighted_gradient(x, one, z) * t),
    )
