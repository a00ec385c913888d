"""When a tensor's memory can go to the kernels, and the sums that are exact there."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any, Protocol

import numpy as np
import torch
from torch import _C, bfloat16, compiler, float32, is_grad_enabled, strided  # not looked up anew in each small call
from torch.autograd import forward_ad

from .. import _core
from .._exact import ExactSum

Tensor = torch.Tensor
TYPES = {getattr(torch, name): number for number, name in enumerate(_core.types)}
"""The numbers by which the core knows the types of elements."""
_is_batched: Any = _C._functorch.is_legacy_batchedtensor  # type: ignore[attr-defined]  # not in torch's own stubs
_LARGE = 1 << 22  # bytes
_MOST = torch.finfo(float32).max
_TENSORS = (torch.Tensor, torch.nn.Parameter)


def _watched() -> bool:
    """Whether somebody watches operations: a graph is traced, exported or transformed, or there is a dispatch mode."""
    return (
        compiler.is_compiling()
        or _C._are_functorch_transforms_active()
        or _C._len_torch_dispatch_stack() > 0
        or _C._get_tracing_state() is not None
    )


def eager(*tensors: Tensor | None) -> bool:
    """Whether these tensors hold their values now, and nobody watches the operations on them: also not a subclass."""
    if _watched():
        return False
    for t in tensors:  # noqa: SIM110  # loops here and below: a generator would take a tenth of a small call
        if t is not None and (type(t) not in _TENSORS or t.is_meta):
            return False
    return True


def has_kernel(*tensors: Tensor | None) -> bool:
    """Whether the kernels can have the memory of these tensors."""
    if _watched():
        return False
    for t in tensors:
        if t is not None and (type(t) not in _TENSORS or not t.is_cpu or t.layout is not strided or t.is_neg()):
            return False
        if t is not None and t.dtype is bfloat16 and _bfloat16() is None:
            return False
    return True


def card_kernels(x: Tensor, *others: Tensor | None) -> Any:
    """Return the kernels for the card that holds these tensors; None without Triton, and for float64 logits."""
    if not on_card(x) or not eager(x, *others) or x.dtype is torch.float64 or not x.is_contiguous():
        return None
    return _triton()


def on_card(x: Tensor) -> bool:
    return x.is_cuda


@functools.cache
def _triton() -> Any:
    return importlib.import_module("logitloss.torch._triton") if importlib.util.find_spec("triton") else None


def differentiates(*tensors: Tensor | None) -> bool:
    """Whether what is computed from these tensors is to be differentiated by a function of ours.

    Transforms that are compiled differentiate the operations of the formulas themselves: Dynamo has no rules for both.
    """
    transformed = _C._are_functorch_transforms_active()
    if transformed and compiler.is_compiling():
        return False
    if transformed or forward_ad._current_level >= 0:
        return True
    if is_grad_enabled():
        for t in tensors:
            if t is not None and t.requires_grad:
                return True
    return False


def array(tensor: Tensor) -> np.ndarray:
    """Return the tensor's memory as an array, nothing copied."""
    if tensor.dtype is bfloat16:
        return tensor.detach().view(torch.int16).numpy().view(_bfloat16())
    return tensor.numpy(force=True)  # by force only detached: all else that it does is done already


def address(tensor: Tensor | None) -> int:
    """Return where the tensor's memory begins; 0 for none."""
    return 0 if tensor is None else tensor.data_ptr()


def empty_like(tensor: Tensor) -> Tensor:
    """Return a tensor of this one's shape and dtype, without values.

    A large one is NumPy's memory, which asks the system for large pages: small ones take longer to make than the kernel
    to fill.
    """
    if tensor.nbytes < _LARGE or not tensor.is_cpu or not tensor.is_contiguous():
        return torch.empty_like(tensor)
    return torch.from_numpy(np.empty(tensor.nbytes, np.uint8)).view(tensor.dtype).view(tensor.shape)


@functools.cache
def _bfloat16() -> Any:
    """The dtype for which the core has bfloat16 loops, or None: NumPy has none of its own."""
    installed = importlib.util.find_spec("ml_dtypes")
    return np.dtype(importlib.import_module("ml_dtypes").bfloat16) if installed else None


def applied(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """Return what the function gives, past the step of torch's that looks for transforms where there are none.

    That step takes longer than all the rest.
    """
    if compiler.is_compiling() or _C._are_functorch_transforms_active():
        return function.apply(*arguments)
    return super(torch.autograd.Function, function).apply(*arguments)  # type: ignore[attr-defined]


class Kernel(Protocol):
    """One loss: its values and their differentiable form. ``extra`` tells softmax which rows are ignored."""

    def loss(self, x: Tensor, z: Tensor, extra: Any = None, /) -> Tensor:
        """Return the losses, differentiable."""
        ...

    def value_and_grad(self, x: Tensor, z: Tensor, extra: Any = None, /) -> tuple[Tensor, Tensor]:
        """Return losses and gradient, both differentiable."""
        ...

    def card(self, x: Tensor, z: Tensor, extra: Any = None, /) -> Any:
        """Return the kernels for the card that holds these tensors, or None."""
        ...

    def mean(
        self, x: Tensor, z: Tensor, extra: Any, count: int, divisor: float, gradient: Tensor | None, /
    ) -> float | Tensor:
        """Return the sum of plain losses over ``count``, exact on the CPU.

        The gradient, if there is a place for it, is divided by ``divisor``. That place is new: it lies across no input.
        """
        ...


class Reduced(torch.autograd.Function):
    """The exact sum of the losses over ``count``, of plain tensors; labels without a gradient.

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
        card = on_card(outer)
        factor = 1.0 if card else outer.item()  # to ask a card for a number would wait for it
        if factor not in (0, 1) and outer.dtype is torch.float16:  # no factor brings back what the count lost
            divisor, factor, gradient = divisor / factor, 1.0, None
        if gradient is None:
            x, z = ctx.saved_tensors
            gradient = empty_like(x)
            kernel.mean(x, z, ignored, count, divisor, gradient)
        if card:
            gradient.mul_(outer)
        return gradient if factor == 1 else gradient * factor, None


class Summed(torch.autograd.Function):
    """The exact sum of plain values over ``count``."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, count: int) -> Tensor:
        """Sum."""
        ctx.shape, ctx.count = values.shape, count
        return scalar(ExactSum(array(values))._rounded(count), values)

    @staticmethod
    def backward(ctx: Any, *outer: Any) -> Any:
        """Give each value its share."""
        return (outer[0] / ctx.count).expand(ctx.shape), None


def scalar(mean: float | Tensor, like: Tensor) -> Tensor:
    """Return a mean as a tensor of no axis, of the dtype of ``like``."""
    if isinstance(mean, float) and -_MOST < mean < _MOST:  # beyond, this would refuse what is infinite in float32
        return like.new_full((), mean)
    return torch.as_tensor(mean, dtype=torch.float64, device=like.device).to(like.dtype)


def reduced(kernel: Kernel, x: Tensor, z: Tensor, plain: bool, count: Any, ignored: Tensor | None = None) -> Tensor:
    """Return the sum of the losses over ``count``: exact, and in one pass with the gradient, where a kernel can."""
    # What a count takes from float16 on a card, no scale gives back.
    known = plain or (x.dtype is not torch.float16 and kernel.card(x, z, ignored) is not None)
    if known and not differentiates(x, z):
        return scalar(kernel.mean(x, z, ignored, count, 1, None), x)
    if known and not z.requires_grad and forward_ad._current_level < 0:
        return super(torch.autograd.Function, Reduced).apply(x, (kernel, z, ignored, count))  # type: ignore[attr-defined]
    return summed(kernel.loss(x, z, ignored), count)


def summed(values: Tensor, count: Any = 1) -> Tensor:
    """Return the sum over ``count``, exact where the values are plain."""
    if has_kernel(values) and forward_ad._current_level < 0:
        return applied(Summed, values, int(count))
    narrow = values.dtype in (torch.float16, torch.bfloat16)
    return (values.sum(dtype=torch.float32 if narrow else None) / count).to(values.dtype)


def promoted(x: Tensor) -> Tensor:
    """Return logits as autocast wants those of losses: float32 at least."""
    if x.dtype is float32 or x.dtype is torch.float64:
        return x
    device = x.device.type
    return x.float() if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device) else x
