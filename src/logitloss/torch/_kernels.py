"""Which tensors the kernels can compute on, and how these get the memory of a tensor."""

from __future__ import annotations

import functools
import importlib
import importlib.util
from typing import Any

import numpy as np
import torch
from torch import _C, bfloat16, compiler, float32, is_grad_enabled, strided  # not looked up anew in each small call
from torch.autograd import forward_ad

from .. import _core

Tensor = torch.Tensor
TYPES = {getattr(torch, name): number for number, name in enumerate(_core.types)}
"""The core's number of each dtype."""
_HUGE_PAGE_BYTES = 1 << 22  # bytes
_TENSORS = (torch.Tensor, torch.nn.Parameter)


def _traced() -> bool:
    """Whether operations are recorded: a graph is traced, exported or transformed, or a dispatch mode is active."""
    return (
        compiler.is_compiling()
        or _C._are_functorch_transforms_active()
        or _C._len_torch_dispatch_stack() > 0
        or _C._get_tracing_state() is not None
    )


def eager(*tensors: Tensor | None) -> bool:
    """Whether these are plain tensors that hold values, and operations on them are not recorded."""
    if _traced():
        return False
    for t in tensors:  # noqa: SIM110  # loops here and below: a generator would take a tenth of a small call
        if t is not None and (type(t) not in _TENSORS or t.is_meta):
            return False
    return True


def has_kernel(*tensors: Tensor | None) -> bool:
    """Whether the kernels can compute on the memory of these tensors."""
    if _traced():
        return False
    for t in tensors:
        if t is not None and (type(t) not in _TENSORS or not t.is_cpu or t.layout is not strided or t.is_neg()):
            return False
        if t is not None and t.dtype is bfloat16 and _bfloat16() is None:
            return False
    return True


def gpu_kernels(x: Tensor, *others: Tensor | None) -> Any:
    """Return the Triton kernels for tensors on a GPU; None without Triton, and for float64 logits."""
    if not on_gpu(x) or not eager(x, *others) or x.dtype is torch.float64 or not x.is_contiguous():
        return None
    return _triton()


def on_gpu(x: Tensor) -> bool:
    return x.is_cuda


@functools.cache
def _triton() -> Any:
    return importlib.import_module("logitloss.torch._triton") if importlib.util.find_spec("triton") else None


def differentiates(*tensors: Tensor | None) -> bool:
    """Whether results of these tensors need one of our autograd functions.

    Transforms that are compiled differentiate the operations of the formulas instead: Dynamo cannot trace both.
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
    """Return an array that shares the memory of the tensor."""
    if tensor.dtype is bfloat16:
        return tensor.detach().view(torch.int16).numpy().view(_bfloat16())
    return tensor.numpy(force=True)  # force only detaches here


def address(tensor: Tensor | None) -> int:
    """Return the address of the tensor's data; 0 for None."""
    return 0 if tensor is None else tensor.data_ptr()


def empty_like(tensor: Tensor) -> Tensor:
    """Return an uninitialised tensor of the same shape and dtype.

    A large one gets NumPy's memory, which requests huge pages: the page faults of small pages take longer than the
    kernel.
    """
    if tensor.nbytes < _HUGE_PAGE_BYTES or not tensor.is_cpu or not tensor.is_contiguous():
        return torch.empty_like(tensor)
    return torch.from_numpy(np.empty(tensor.nbytes, np.uint8)).view(tensor.dtype).view(tensor.shape)


@functools.cache
def _bfloat16() -> Any:
    """Return the bfloat16 dtype of ml_dtypes, for which the core has loops, or None if it is not installed."""
    installed = importlib.util.find_spec("ml_dtypes")
    return np.dtype(importlib.import_module("ml_dtypes").bfloat16) if installed else None


def apply_unchecked(function: type[torch.autograd.Function], *arguments: Any) -> Any:
    """Return ``function.apply`` of the arguments, without torch's search for transforms if there are none.

    That search takes longer than everything else in a small call.
    """
    if compiler.is_compiling() or _C._are_functorch_transforms_active():
        return function.apply(*arguments)
    return super(torch.autograd.Function, function).apply(*arguments)  # type: ignore[attr-defined]


def autocast(x: Tensor) -> Tensor:
    """Return the logits in float32 where autocast is enabled, as torch casts the inputs of its own losses."""
    if x.dtype is float32 or x.dtype is torch.float64:
        return x
    device = x.device.type
    return x.float() if torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device) else x
