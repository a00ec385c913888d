"""What the functions for tensors accept. Every error sentence of theirs that the library has not stands here."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import torch

from .. import _checks, _core
from ._kernels import has_kernel

Tensor = torch.Tensor

LOGITS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.uint8, torch.int16, torch.int8, torch.uint16, torch.uint32, torch.uint64)
LABELS = (*LOGITS, torch.bool, *INTEGERS)
_ANY = "a float of at most 64 bits, an integer or bool"


class Names(NamedTuple):
    """What an interface calls its arguments, and the errors that it raises for a dtype and for a weight."""

    logits: str
    labels: str
    wrong_dtype: type[Exception]
    wrong_weight: type[Exception]


OURS = Names("logits", "labels", TypeError, ValueError)
TORCHS = Names("input", "target", NotImplementedError, RuntimeError)


def tensors(names: Names, logits: Any, labels: Any, dtypes: tuple = LABELS, name: str | None = None) -> bool:
    """Refuse what is not a dense real tensor of a known dtype, and two devices; return if the kernels can have both."""
    plain = isinstance(logits, Tensor) and isinstance(labels, Tensor) and has_kernel(logits, labels)
    if plain and logits.dtype in LOGITS and labels.dtype in dtypes:
        return True
    _tensor(names, names.logits, logits, LOGITS, "float16, bfloat16, float32 or float64", name)
    expected = "integer class indices" if dtypes is INTEGERS else _ANY
    _tensor(names, names.labels, labels, dtypes, expected, name)
    _same_device(names, logits, names.labels, labels, name)
    return plain


def _tensor(names: Names, argument: str, value: Any, dtypes: tuple, expected: str, name: str | None) -> None:
    if not isinstance(value, torch.Tensor):
        raise TypeError(
            _checks.prefix(name)
            + f"{argument} must be a torch.Tensor, got {type(value).__name__}. Convert with torch.as_tensor."
        )
    if value.layout is not torch.strided and value.layout is not torch.jagged:
        raise names.wrong_dtype(
            _checks.prefix(name)
            + f"{argument} must be a dense tensor, got layout {value.layout}. Convert with {argument}.to_dense()."
        )
    if value.dtype not in dtypes:
        got = f"a complex one ({value.dtype})" if value.is_complex() else f"dtype {value.dtype}"
        advice = "Pass real numbers." if value.is_complex() else f"Convert with {argument}.to(...)."
        raise names.wrong_dtype(_checks.prefix(name) + f"{argument} must be {expected}, got {got}. {advice}")


def _same_device(names: Names, logits: Tensor, argument: str, value: Tensor, name: str | None) -> None:
    if value.device != logits.device:
        raise RuntimeError(
            _checks.prefix(name) + f"{names.logits} and {argument} must be on one device, got {logits.device} and "
            f"{value.device}. Move one with {argument}.to({names.logits}.device)."
        )


def same_shape(names: Names, logits: Tensor, labels: Tensor) -> None:
    """Refuse shapes that differ: (n,) against (n, 1) would silently make (n, n)."""
    if labels.shape != logits.shape:
        raise ValueError(
            f"{names.labels} must have the shape of {names.logits}, got {names.labels} of shape {tuple(labels.shape)} "
            f"for {names.logits} of shape {tuple(logits.shape)}. Reshape one."
        )


def weight(names: Names, argument: str, value: Any, logits: Tensor, name: str | None = None) -> Tensor:
    """Return a weight expanded to the shape of the logits, which it must not enlarge."""
    _tensor(names, argument, value, LABELS, _ANY, name)
    _same_device(names, logits, argument, value, name)
    if not _checks.fits(value.shape, logits.shape):
        raise names.wrong_weight(
            _checks.prefix(name)
            + f"{argument} must broadcast to the shape of {names.logits} without enlarging it, got "
            f"{tuple(value.shape)} for {names.logits} of shape {tuple(logits.shape)}. "
            "Pass a scalar or one weight per last axis."
        )
    return value.expand(logits.shape)


def gradient_out(out: Any, logits: Tensor) -> Tensor:
    """Return ``out`` if it can take the gradient."""
    if not isinstance(out, torch.Tensor) or out.dtype != logits.dtype:
        got = out.dtype if isinstance(out, torch.Tensor) else type(out).__name__
        raise TypeError(
            f"out must be a tensor of dtype {logits.dtype}, that of logits, got {got}. Allocate it like logits."
        )
    if out.shape != logits.shape:
        raise ValueError(
            f"out must have shape {tuple(logits.shape)}, that of logits, got {tuple(out.shape)}. "
            "Use torch.empty_like(logits)."
        )
    _same_device(OURS, logits, "out", out, None)
    return out


def class_axis(input: Tensor, target: Tensor) -> int:
    """Return the axis of the classes, if the target has class indices or probabilities for this input."""
    axis = 0 if input.ndim == 1 else 1
    if not input.ndim or input.shape[axis] == 0:
        raise ValueError(
            f"input must have at least one class, of shape (C), (N, C) or (N, C, ...), got {tuple(input.shape)}. "
            "Pass one logit per class."
        )
    if target.shape == input.shape:
        return axis
    rows = (*input.shape[:axis], *input.shape[axis + 1 :])
    if tuple(target.shape) != rows:
        kind = ValueError if target.shape[:1] != input.shape[:1] else RuntimeError  # as torch: of batches, of the rest
        raise kind(
            f"target must have class indices of shape {rows}, or probabilities of the shape of input, "
            f"{tuple(input.shape)}, got shape {tuple(target.shape)}. Reshape one."
        )
    if target.dtype not in INTEGERS:
        raise RuntimeError(
            f"target must be integer class indices, or have the shape of input, {tuple(input.shape)}, got dtype "
            f"{target.dtype} and shape {rows}. Convert with target.long()."
        )
    return axis


def class_weight(value: Any, classes: int, input: Tensor) -> None:
    """Refuse what is not one weight for each class."""
    _tensor(TORCHS, "weight", value, LABELS, _ANY, None)
    _same_device(TORCHS, input, "weight", value, None)
    if tuple(value.shape) != (classes,):
        raise RuntimeError(
            f"weight must have shape ({classes},), one for each class, got {tuple(value.shape)}. Reshape it."
        )


def ignored_index(value: Any) -> int:
    """Return the class index to ignore, a number that int64 labels can be compared with."""
    try:
        index = operator.index(value)
    except TypeError:
        index = None
    if index is None or not -(2**63) <= index < 2**63:
        raise TypeError(f"ignore_index must be an integer of 64 bits, got {value!r}. Pass a class index.")
    return index


def smoothing(value: Any) -> None:
    """Refuse what is not a number from 0 to 1."""
    try:
        valid = 0 <= value <= 1
    except TypeError:
        text = f"label_smoothing must be a number, got {value!r}. It is a fraction of each target."
        raise TypeError(text) from None
    if not valid:
        raise RuntimeError(f"label_smoothing must be from 0 to 1, got {value}. It is a fraction of each target.")


def all_counted(y: Tensor, classes: int, ignore_index: int) -> bool:
    """Whether int64 labels in memory are all classes and none is ignored, found in one pass over them."""
    return y.is_contiguous() and _core.are_classes_at(y.data_ptr(), y.numel(), classes, ignore_index)


def known_classes(y: Tensor, classes: int) -> None:
    """Refuse the first class index that is no class, as torch does on the CPU."""
    if y.is_cpu and all_counted(y, classes, -1):
        return
    try:
        _checks.known_classes(y.cpu().numpy(), classes)
    except ValueError as error:
        raise IndexError(str(error).replace("labels", "target")) from None
