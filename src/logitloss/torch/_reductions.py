"""Sums and means of losses: exact where the kernels can compute them, in one pass with the gradient."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import _C, float32, is_grad_enabled
from torch.autograd import forward_ad

from .._exact import ExactSum
from ._kernels import apply_unchecked, array, differentiates, eager, empty_like, has_kernel, on_gpu

Tensor = torch.Tensor
_FLOAT32_MAX = torch.finfo(float32).max
_is_batched: Any = _C._functorch.is_legacy_batchedtensor  # type: ignore[attr-defined]  # not in torch's own stubs


class Kernel(Protocol):
    """One loss: its values and their differentiable form. ``ignored`` marks rows of a softmax that do not count."""

    def loss(self, x: Tensor, z: Tensor, ignored: Any = None, /) -> Tensor:
        """Return the losses, differentiable."""
        ...

    def value_and_grad(self, x: Tensor, z: Tensor, ignored: Any = None, /) -> tuple[Tensor, Tensor]:
        """Return losses and gradient, both differentiable."""
        ...

    def gpu(self, x: Tensor, z: Tensor, ignored: Any = None, /) -> Any:
        """Return the Triton kernels for these tensors, or None."""
        ...

    def mean(
        self, x: Tensor, z: Tensor, ignored: Any, count: int, divisor: float, gradient: Tensor | None, /
    ) -> float | Tensor:
        """Return the sum of the losses of eager tensors over ``count``, exact on the CPU.

        The gradient, if there is a place for it, is divided by ``divisor``. That place is new: it lies across no input.
        """
        ...


class Reduced(torch.autograd.Function):
    """The exact sum of the losses over ``count``, of eager_input tensors; labels without a gradient.

    The pass that sums writes the gradient too. It is handed over to the first backward, so that no copy is made of it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, how: tuple[Kernel, Tensor, Tensor | None, int]) -> Tensor:
        """Sum the losses and keep the gradient."""
        kernel, z, ignored, count = how
        ctx.how, ctx.gradient = (kernel, ignored, count), empty_like(x)
        ctx.save_for_backward(x, z)
        return scalar(kernel.mean(x, z, ignored, count, count, ctx.gradient), x)

    @staticmethod
    def backward(ctx: Any, *outers: Any) -> Any:
        """Scale the gradient, if there is anything to scale."""
        (outer,), (kernel, ignored, count) = outers, ctx.how
        if is_grad_enabled() or not eager(outer) or _is_batched(outer):
            x, z = ctx.saved_tensors  # the gradient is to be differentiated in its turn
            gradient = kernel.value_and_grad(x, z, ignored)[1]
            return outer * (gradient / count), None
        divisor, gradient, ctx.gradient = count, ctx.gradient, None
        gpu = on_gpu(outer)
        factor = 1.0 if gpu else outer.item()  # .item() would wait for a GPU
        if factor not in (0, 1) and outer.dtype is torch.float16:  # no factor brings back what the count lost
            divisor, factor, gradient = divisor / factor, 1.0, None
        if gradient is None:
            x, z = ctx.saved_tensors
            gradient = empty_like(x)
            kernel.mean(x, z, ignored, count, divisor, gradient)
        if gpu:
            gradient.mul_(outer)
        return gradient if factor == 1 else gradient * factor, None


class ExactSumFunction(torch.autograd.Function):
    """The exact sum of eager values over ``count``."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, count: int) -> Tensor:
        """Sum."""
        ctx.shape, ctx.count = values.shape, count
        return scalar(ExactSum(array(values))._rounded(count), values)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        """Distribute the gradient evenly."""
        return (outer[0] / ctx.count).expand(ctx.shape), None


def scalar(mean: float | Tensor, like: Tensor) -> Tensor:
    """Return a mean as a tensor of rank 0, of the dtype and on the device of ``like``."""
    if isinstance(mean, float) and -_FLOAT32_MAX < mean < _FLOAT32_MAX:  # new_full would refuse a number beyond float32
        return like.new_full((), mean)
    return torch.as_tensor(mean, dtype=torch.float64, device=like.device).to(like.dtype)


def reduced(
    kernel: Kernel, x: Tensor, z: Tensor, eager_input: bool, count: Any, ignored: Tensor | None = None
) -> Tensor:
    """Return the sum of the losses over ``count``: exact, and in one pass with the gradient, where a kernel can."""
    # In float16 on a GPU, dividing by the count may underflow, which no later scaling can undo.
    exact = eager_input or (x.dtype is not torch.float16 and kernel.gpu(x, z, ignored) is not None)
    if exact and not differentiates(x, z):
        return scalar(kernel.mean(x, z, ignored, count, 1, None), x)
    if exact and not z.requires_grad and forward_ad._current_level < 0:
        return super(torch.autograd.Function, Reduced).apply(x, (kernel, z, ignored, count))  # type: ignore[attr-defined]
    return summed(kernel.loss(x, z, ignored), count)


def summed(values: Tensor, count: Any = 1) -> Tensor:
    """Return the sum over ``count``, exact for eager values on the CPU."""
    if has_kernel(values) and forward_ad._current_level < 0:
        return apply_unchecked(ExactSumFunction, values, int(count))
    is_16_bit = values.dtype in (torch.float16, torch.bfloat16)
    return (values.sum(dtype=torch.float32 if is_16_bit else None) / count).to(values.dtype)
