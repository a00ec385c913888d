"""The softmax losses of checked tensors, classes last: by a kernel where one can compute, else by the formulas.

Labels are distributions, of the shape of the logits, or class indices, int64, of one axis less. Ignored rows
have a loss and a gradient of 0, whatever they hold.
"""

from __future__ import annotations

from typing import Any

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


def loss(x: Tensor, z: Tensor, ignored: Tensor | None = None) -> Tensor:
    """Return the losses, differentiable in logits and distributions."""
    if differentiates(x, z):
        return (
            _Losses.apply(x, z, ignored)
            if torch.compiler.is_compiling()
            else apply_unchecked(_Softmax, x, z, ignored)[0]
        )
    if gpu(x, z, ignored):
        return _on_gpu(x, z, ignored)
    if not has_kernel(x, z, ignored):
        return _by_formulas(x, z, ignored)[0]
    value = x.new_empty(x.shape[:-1])
    ufunc = ufuncs.softmax_cross_entropy if z.ndim == x.ndim else ufuncs.sparse_softmax_cross_entropy
    ufunc(array(x), array(z), out=array(value))
    return _masked(value, ignored, None)


def value_and_grad(x: Tensor, z: Tensor, ignored: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return losses and gradient, differentiable in logits and distributions."""
    if not differentiates(x, z):
        return _computed(x, z, ignored)
    return apply_unchecked(_Reverse if torch.compiler.is_compiling() else _Softmax, x, z, ignored)


def gpu(x: Tensor, z: Tensor, ignored: Tensor | None = None) -> Any:
    """Return the Triton kernels for these tensors, or None; they take class indices only."""
    return None if z.ndim == x.ndim else gpu_kernels(x, z, ignored)


def mean(
    x: Tensor, z: Tensor, ignored: Tensor | None, count: int, divisor: float, gradient: Tensor | None
) -> float | Tensor:
    """Return the sum of eager losses over ``count``, exact on the CPU; the gradient is divided by ``divisor``."""
    if on_gpu(x):
        return _on_gpu(x, z, ignored, divisor, gradient).sum(dtype=torch.float64) / count
    if not (x.is_contiguous() and z.is_contiguous() and (ignored is None or ignored.is_contiguous())):
        return total(x, z, ignored, divisor, gradient)._rounded(count)
    classes, sparse, types = x.shape[-1], z.ndim != x.ndim, (TYPES[x.dtype], TYPES[z.dtype])
    memory = x.data_ptr(), z.data_ptr(), address(ignored), address(gradient)
    return _core.softmax_cross_entropy_mean_at(*memory, x.numel() // classes, classes, *types, sparse, divisor, count)


def total(x: Tensor, z: Tensor, ignored: Tensor | None, divisor: float, out: Tensor | None) -> ExactSum:
    """Return the exact sum of eager losses on the CPU; ``out`` takes the gradient divided by ``divisor``."""
    return ExactSum(array(loss(x, z, ignored) if out is None else _both(x, z, ignored, divisor, out)))


def one_hot(x: Tensor, y: Tensor) -> Tensor:
    """Return class indices as distributions, nan for an index outside the classes; eager ones are checked."""
    (x,) = compute_dtype(x)
    if has_kernel(x, y):
        return torch.zeros_like(x).scatter_(-1, y[..., None], 1)
    return formulas.one_hot(Operations(x), y, x)


def _both(x: Tensor, z: Tensor, ignored: Tensor | None, divisor: float, out: Tensor) -> Tensor:
    """Return the losses of eager tensors; ``out`` takes the gradient divided by ``divisor``."""
    value = x.new_empty(x.shape[:-1])
    if z.ndim == x.ndim:
        ufunc = _core.softmax_cross_entropy_value_and_grad_divided
    else:
        ufunc = _core.sparse_softmax_cross_entropy_value_and_grad_divided
    ufunc(array(x), array(z), float(divisor), out=(array(value), array(out)))
    return _masked(value, ignored, out)


def _on_gpu(x: Tensor, z: Tensor, ignored: Tensor | None, divisor: float = 1, out: Tensor | None = None) -> Tensor:
    """Return the losses of tensors on a GPU; ``out`` takes the gradient divided by ``divisor``."""
    return _masked(gpu(x, z).sparse_softmax(x, z, out=out, divisor=divisor), ignored, out)


def _masked(value: Tensor, ignored: Tensor | None, gradient: Tensor | None) -> Tensor:
    if ignored is not None:
        value.masked_fill_(ignored, 0)
        if gradient is not None:
            gradient.masked_fill_(ignored[..., None], 0)
    return value


def _by_formulas(x: Tensor, z: Tensor, ignored: Tensor | None, gradient: bool = False) -> tuple[Tensor, ...]:
    """Return the losses and, if asked for, the gradient."""
    xp, rows = Operations(x), _rows(x, z, ignored)
    formula, slope = formulas.softmax_loss, formulas.softmax_gradient
    if z.ndim != x.ndim:
        formula, slope = formulas.sparse_softmax_loss, formulas.sparse_softmax_gradient
    parts = _parts(rows[0], differentiated=torch._C._are_functorch_transforms_active())
    value = formula(xp, *rows, parts)[..., None]
    values = (value, slope(xp, *rows, parts)) if gradient else (value,)
    loss, *gradients = (_kept(result, ignored).to(x.dtype) for result in values)
    return loss[..., 0], *gradients


def _parts(x: Tensor, differentiated: bool = True) -> tuple[Tensor, ...]:
    """Return the parts of the formulas, in operations that may be differentiated themselves."""
    first = None
    if differentiated:
        leading = torch.argmax(x, dim=-1, keepdim=True)
        first = x.gather(-1, leading), (Operations(x).arange(x.shape[-1]) == leading) & (x > -torch.inf)
    return formulas.softmax_parts(Operations(x), x, first)


def _rows(x: Tensor, z: Tensor, ignored: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the arguments of the formulas, with logits of 0 in rows that are ignored: these may hold a nan."""
    wx, wz = compute_dtype(x, z) if z.ndim == x.ndim else (*compute_dtype(x), z)
    return _kept(wx, ignored), wz


def _kept(rows: Tensor, ignored: Tensor | None) -> Tensor:
    """Return the rows, 0 where they are ignored."""
    return rows if ignored is None else torch.where(ignored[..., None], 0, rows)


def _computed(x: Tensor, z: Tensor, ignored: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute losses and gradient, in one pass where there is a kernel for it."""
    kernel = _both if has_kernel(x, z, ignored) else _on_gpu if gpu(x, z, ignored) else None
    if kernel is None:
        value, gradient = _by_formulas(x, z, ignored, gradient=True)
        return value, gradient
    gradient = empty_like(x)
    return kernel(x, z, ignored, 1, gradient), gradient


def _backward(ctx: Any, *outer: Any) -> tuple:
    """Scale the gradient; for its own derivative, that of the probabilities."""
    by_value, by_gradient = outer
    x, z, ignored, gradient = ctx.saved_tensors
    by_value = None if by_value is None else _kept(by_value[..., None], ignored)
    by_gradient = None if by_gradient is None else _kept(by_gradient, ignored)
    by_x = by_z = None
    if ctx.needs_input_grad[0]:
        by_x = chain(x, (by_value, gradient), (_curvature(x, z, ignored, by_gradient), 1))
    if ctx.needs_input_grad[1]:
        (wx,) = compute_dtype(_kept(x, ignored))
        by_z = chain(z, (by_value, _by_label(wx)), (_mixed_sum(wx, by_gradient), 1))
    return by_x, by_z, None


_Losses = losses_alone(_computed, _backward)


class _Reverse(ValueAndGrad):
    """Losses and gradient, differentiable backwards to any order."""

    forward, backward = staticmethod(_computed), staticmethod(_backward)


class _Softmax(_Reverse):
    """The same with forward mode, which Dynamo refuses."""

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """Multiply the tangents with the derivatives of both outputs."""
        x, z, ignored, gradient = ctx.saved_tensors
        by_x, by_z, _ = tangents
        by_z = None if by_z is None else _kept(by_z, ignored)
        (wx,) = compute_dtype(_kept(x, ignored))
        by_losses = None if by_z is None else _by_label(wx)
        value = chain(wx, (by_x, gradient), (by_z, by_losses)).sum(-1).to(x.dtype)
        return value, chain(x, (_curvature(x, z, ignored, by_x), 1), (_mixed(wx, by_z), 1))


def _softmax(x: Tensor) -> Tensor:
    """Return the probabilities."""
    return formulas.softmax(Operations(x), x, _parts(x))


def _by_label(x: Tensor) -> Tensor:
    """Return the derivative of the loss with respect to the labels."""
    return formulas.softmax_losses(Operations(x), x, _parts(x))


def _curvature(x: Tensor, z: Tensor, ignored: Tensor | None, v: Tensor | None) -> Tensor | None:
    """The second derivative with respect to the logits, along v."""
    if v is None:
        return None
    xp, (wx, wz) = Operations(x), _rows(x, z, ignored)
    total = _kept((wz if z.ndim == x.ndim else one_hot(x, z)).sum(-1, keepdim=True), ignored)
    return total * formulas.softmax_tangent(xp, _softmax(wx), v.to(wx.dtype))


def _mixed(x: Tensor, v: Tensor | None) -> Tensor | None:
    """The derivative of the gradient with respect to the labels, along v."""
    return None if v is None else _softmax(x) * v.sum(-1, keepdim=True) - v


def _mixed_sum(x: Tensor, v: Tensor | None) -> Tensor | None:
    """The transpose of :func:`_mixed`."""
    return None if v is None else (_softmax(x) * v).sum(-1, keepdim=True) - v
