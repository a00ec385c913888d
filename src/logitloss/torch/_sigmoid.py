"""The sigmoid losses of checked tensors: by a kernel where one can compute, else by the formulas; with derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .. import _core, ufuncs
from .. import _formulas as formulas
from .._exact import ExactSum
from ._kernels import (
    TYPES,
    address,
    apply_unchecked,
    array,
    differentiates,
    empty_like,
    gpu_kernels,
    has_kernel,
    on_gpu,
)
from ._operations import Operations, ValueAndGrad, chain, compute_dtype, losses_alone

Tensor = torch.Tensor


def loss(x: Tensor, z: Tensor, w: Tensor | None = None) -> Tensor:
    """Return the losses, differentiable in all three; the weight has the shape of the logits."""
    if differentiates(x, z, w):
        return _Losses.apply(x, z, w) if torch.compiler.is_compiling() else apply_unchecked(_Sigmoid, x, z, w)[0]
    if has_kernel(x, z, w):
        return _kernel_loss(x, z, w)
    if kernels := gpu(x, z, w):
        return kernels.sigmoid(x, z, loss=True)[0]
    return formulas.loss(Operations(x), *compute_dtype(x, z, w)).to(x.dtype)


def value_and_grad(x: Tensor, z: Tensor, w: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return losses and gradient, differentiable in all three."""
    if not differentiates(x, z, w):
        return _computed(x, z, w)
    return apply_unchecked(_Reverse if torch.compiler.is_compiling() else _Sigmoid, x, z, w)


def grad_and_hess(x: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Return gradient and hessian, differentiable in both."""
    if differentiates(x, z) or not has_kernel(x, z):
        return value_and_grad(x, z)[1], formulas.hessian(Operations(x), *compute_dtype(x)).to(x.dtype)
    gradient, hessian = empty_like(x), empty_like(x)
    ufuncs.sigmoid_cross_entropy_grad_and_hess(array(x), array(z), out=(array(gradient), array(hessian)))
    return gradient, hessian


def gpu(x: Tensor, z: Tensor, w: Tensor | None = None) -> Any:
    """Return the Triton kernels for these tensors, or None; they take no weight."""
    return gpu_kernels(x, z) if w is None else None


def mean(x: Tensor, z: Tensor, _: None, count: int, divisor: float, gradient: Tensor | None) -> float | Tensor:
    """Return the sum of eager losses over ``count``, exact on the CPU; the gradient is divided by ``divisor``."""
    if on_gpu(x):
        return gpu(x, z).sigmoid(x, z, total=True, out=gradient, divisor=divisor)[2] / count
    if not (x.is_contiguous() and z.is_contiguous()):
        return total(x, z, None, divisor, gradient)._rounded(count)
    return _core.sigmoid_cross_entropy_mean_at(
        x.data_ptr(), z.data_ptr(), address(gradient), x.numel(), TYPES[x.dtype], TYPES[z.dtype], divisor, count
    )


def total(x: Tensor, z: Tensor, _: None = None, divisor: float = 1, out: Tensor | None = None) -> ExactSum:
    """Return the exact sum of eager losses on the CPU; ``out`` takes the gradient divided by ``divisor``."""
    sum_ = ExactSum()
    gradient = None if out is None else array(out)
    sum_._add(x.numel(), _core.sigmoid_cross_entropy_total(array(x), array(z), gradient, float(divisor)))
    return sum_


def _kernel_loss(x: Tensor, z: Tensor, w: Tensor | None) -> Tensor:
    if w is None:
        return _losses_by_kernel(x, z)
    value, weights = empty_like(x), array(w)
    weights = weights[
        tuple(slice(None if step else 1) for step in weights.strides)
    ]  # without the repeats of an expanded axis
    ufuncs.weighted_sigmoid_cross_entropy(array(x), array(z), weights.astype(np.float64), out=array(value))
    return value


def _losses_by_kernel(x: Tensor, z: Tensor, gradient: Tensor | None = None) -> Tensor:
    """Return the losses; ``gradient`` takes their derivative."""
    value = empty_like(x)
    if x.is_contiguous() and z.is_contiguous():
        addresses = x.data_ptr(), z.data_ptr(), value.data_ptr(), address(gradient)
        _core.sigmoid_cross_entropy_at(*addresses, x.numel(), TYPES[x.dtype], TYPES[z.dtype])
    elif gradient is None:
        ufuncs.sigmoid_cross_entropy(array(x), array(z), out=array(value))
    else:
        ufuncs.sigmoid_cross_entropy_value_and_grad(array(x), array(z), out=(array(value), array(gradient)))
    return value


def _kernel_gradient(x: Tensor, z: Tensor, w: Tensor) -> Tensor:
    """(1 - z) sigmoid(x) - w z sigmoid(-x): the gradients for the labels 0 and 1, both accurate in the tails."""
    wx, wz, ww = compute_dtype(x, z, w)
    negative, positive = empty_like(wx), empty_like(wx)
    for label, out in enumerate((negative, positive)):
        total(wx, torch.tensor(label, dtype=torch.uint8).expand(x.shape), out=out)
    return negative.mul_(1 - wz).add_(positive.mul_(wz * ww)).to(x.dtype)


def _by_label(x: Tensor, z: Tensor, w: Tensor | None) -> tuple[Any, Any]:
    """The derivatives of loss and gradient with respect to the label."""
    if w is None:
        return -x, -1
    xp = Operations(x)
    p = formulas.gradient(xp, x, torch.zeros_like(x))
    return w * formulas.softplus(xp, -x) - formulas.softplus(xp, x), -(w * (1 - p) + p)


def _by_weight(x: Tensor, z: Tensor, w: Tensor) -> tuple[Any, Any]:
    """The derivatives of loss and gradient with respect to the weight."""
    xp = Operations(x)
    return z * formulas.softplus(xp, -x), z * formulas.gradient(xp, x, torch.ones_like(x))


def _computed(x: Tensor, z: Tensor, w: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute losses and gradient, in one pass where there is a kernel for it."""
    if has_kernel(x, z, w):
        if w is not None:
            return _kernel_loss(x, z, w), _kernel_gradient(x, z, w)
        gradient = empty_like(x)
        return _losses_by_kernel(x, z, gradient), gradient
    if kernels := gpu(x, z, w):
        return kernels.sigmoid(x, z, loss=True, out=torch.empty_like(x))[:2]
    xp, parts = Operations(x), compute_dtype(x, z, w)
    return formulas.loss(xp, *parts).to(x.dtype), formulas.gradient(xp, *parts).to(x.dtype)


def _backward(ctx: Any, *outer: Any) -> tuple:
    """Scale the gradient; for its own derivative, the hessian."""
    by_value, by_gradient = outer
    x, z, w, gradient = ctx.saved_tensors
    parts = compute_dtype(x, z, w)
    by_x = by_z = by_w = None
    if ctx.needs_input_grad[0]:
        hessian = None if by_gradient is None else formulas.hessian(Operations(x), *parts)
        by_x = chain(x, (by_value, gradient), (by_gradient, hessian))
    if ctx.needs_input_grad[1]:
        first, second = _by_label(*parts)
        by_z = chain(z, (by_value, first), (by_gradient, second))
    if ctx.needs_input_grad[2]:
        first, second = _by_weight(*parts)
        by_w = chain(w, (by_value, first), (by_gradient, second))
    return by_x, by_z, by_w


_Losses = losses_alone(_computed, _backward)


class _Reverse(ValueAndGrad):
    """Losses and gradient, differentiable backwards to any order."""

    forward, backward = staticmethod(_computed), staticmethod(_backward)


class _Sigmoid(_Reverse):
    """The same with forward mode, which Dynamo refuses."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Multiply the tangents with the derivatives of both outputs."""
        x, z, w, gradient = ctx.saved_tensors
        parts = compute_dtype(x, z, w)
        zero = (0, 0)
        partials = (
            (gradient, formulas.hessian(Operations(x), *parts)),
            zero if tangents[1] is None else _by_label(*parts),
            zero if tangents[2] is None else _by_weight(*parts),
        )
        return tuple(
            chain(x, *((tangent, partial[i]) for tangent, partial in zip(tangents, partials, strict=True)))
            for i in (0, 1)
        )
