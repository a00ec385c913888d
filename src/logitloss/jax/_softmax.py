"""The softmax losses of checked JAX arrays, classes last, differentiable to any order in forward and reverse mode.

Labels are distributions of the shape of the logits, or class indices with one axis less. Each function calls the next
one for its derivative: loss, gradient, probabilities, tangent of the probabilities.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from .. import _formulas
from ._kernels import compute, formula, sum_tangents, with_sharding


def _softmax_formula(dense: Callable[..., Any], sparse: Callable[..., Any], x: Any, z: Any) -> Any:
    """The formula for distributions, or for class indices."""
    return formula(dense if z.ndim == x.ndim else sparse, x, z)


@jax.jit  # so that jax_debug_nans, which looks at results, does not see what one_hot has for an index that is no class
def _totals(x: Any, z: Any) -> Any:
    """The sums of the labels of each row."""
    z = z if z.ndim == x.ndim else with_sharding(lambda x, y: _formulas.one_hot(jnp, y, x), x, z)
    return jnp.sum(z, axis=-1, keepdims=True)


@jax.custom_jvp
@jax.jit
def softmax_loss(x: Any, z: Any) -> Any:
    """The losses."""

    def formulas(x: Any, z: Any) -> tuple:
        return (_softmax_formula(_formulas.softmax_loss, _formulas.sparse_softmax_loss, x, z),)

    return compute("softmax_cross_entropy", formulas, x, z)[0]


@jax.custom_jvp
@jax.jit
def softmax_value_and_grad(x: Any, z: Any) -> Any:
    """The losses and gradients."""

    def formulas(x: Any, z: Any) -> tuple:
        loss = _softmax_formula(_formulas.softmax_loss, _formulas.sparse_softmax_loss, x, z)
        return loss, _softmax_formula(_formulas.softmax_gradient, _formulas.sparse_softmax_gradient, x, z)

    return compute("softmax_cross_entropy", formulas, x, z)


@jax.custom_jvp
@jax.jit
def _softmax(x: Any) -> Any:
    return formula(_formulas.softmax, x)


@jax.custom_jvp
@jax.jit
def _softmax_losses(x: Any) -> Any:
    return formula(_formulas.softmax_losses, x)


def _softmax_slope(value: Any, gradient: Any, x: Any, dx: Any, dz: Any) -> Any:
    return sum_tangents(
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
        sum_tangents(
            gradient,
            (dx, lambda t: total * formula(_formulas.softmax_tangent, p, t)),
            (dz, lambda t: p * jnp.sum(t, axis=-1, keepdims=True) - t),
        ),
    )


@functools.partial(_softmax.defjvp, symbolic_zeros=True)
def _softmax_jvp(primals: Any, tangents: Any) -> Any:
    p = _softmax(*primals)
    return p, sum_tangents(p, (*tangents, functools.partial(formula, _formulas.softmax_tangent, p)))


@functools.partial(_softmax_losses.defjvp, symbolic_zeros=True)
def _softmax_losses_jvp(primals: Any, tangents: Any) -> Any:
    losses, p = _softmax_losses(*primals), _softmax(*primals)
    return losses, sum_tangents(losses, (*tangents, functools.partial(formula, _formulas.softmax_losses_tangent, p)))
