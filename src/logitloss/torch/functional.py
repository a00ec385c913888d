"""The losses of ``torch.nn.functional`` with the same arguments, shapes, broadcasting and denominators."""

from __future__ import annotations

import torch
from torch.nn import _reduction

from . import _sigmoid, _softmax
from ._checks import (
    TORCHS,
    all_counted,
    class_axis,
    class_weight,
    ignored_index,
    known_classes,
    same_shape,
    smoothing,
    tensors,
)
from ._checks import weight as expanded
from ._kernels import autocast, eager, has_kernel
from ._operations import compute_dtype
from ._reductions import reduced, summed

Tensor = torch.Tensor


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    r"""Return the sigmoid cross entropy of targets in [0, 1], as torch's function of this name.

    With ``x = input``, ``z = target``, ``w = weight`` and ``p = pos_weight``::

        loss = w * (p * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)))
        mean = sum(loss) / n                                     n = input.numel(), whatever the weights

    Parameters
    ----------
    input : Tensor
        Log-odds: float16, bfloat16, float32 or float64.
    target : Tensor
        Of the shape of ``input``: a float, also a wider one, any integer or bool.
    weight, pos_weight : Tensor, optional
        Of a shape that broadcasts to that of ``input`` without enlarging it.
    size_average, reduce : bool, optional
        Deprecated in torch, and understood as there.
    reduction : str
        "mean", "sum" or "none".

    Returns
    -------
    Tensor
        Of the dtype of ``input``; float32 under autocast.

    Raises
    ------
    ValueError
        If the shapes differ, or the reduction is unknown.
    RuntimeError
        If a weight does not fit, or a tensor is on another device; its kind NotImplementedError for a dtype or layout.
    TypeError
        If an argument is not a tensor.

    Notes
    -----
    Special values: at infinite input the limit, with 0 * inf = 0; a nan gives nan.

    Accuracy: tensors on the CPU have the bits of :func:`logitloss.sigmoid_cross_entropy_with_logits`, their sum and
    mean are exact and rounded once. Elsewhere, compiled and transformed: docs/frameworks/pytorch.md.

    Source: ``torch.nn.functional.binary_cross_entropy_with_logits``.

    Examples
    --------
    >>> import torch
    >>> from logitloss.torch import binary_cross_entropy_with_logits
    >>> binary_cross_entropy_with_logits(torch.tensor([17.0, -17.0]), torch.tensor([1, 0]))
    tensor(4.1399e-08)
    """
    reduction = _mode(size_average, reduce, reduction)
    eager_input = tensors(TORCHS, input, target)
    same_shape(TORCHS, input, target)
    x = autocast(input)
    if weight is None and pos_weight is None and reduction != "none":
        return reduced(_sigmoid, x, target, eager_input, x.numel() if reduction == "mean" else 1)
    loss = _sigmoid.loss(x, target, None if pos_weight is None else expanded(TORCHS, "pos_weight", pos_weight, x))
    if weight is not None:
        loss = (loss * expanded(TORCHS, "weight", weight, x)).to(loss.dtype)
    return loss if reduction == "none" else summed(loss, x.numel() if reduction == "mean" else 1)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    r"""Return the softmax cross entropy, as torch's function of this name.

    With ``x = input``, ``y = target`` and ``w = weight``, for class indices and for probabilities ``z = target``::

        loss = -w[y] * log(softmax(x)[y])               mean = sum(loss) / sum(w[y])     over rows not ignored
        loss = -sum_c w[c] * z[c] * log(softmax(x)[c])  mean = sum(loss) / rows

    Parameters
    ----------
    input : Tensor
        Logits of shape (C), (N, C) or (N, C, d1, ...): float16, bfloat16, float32 or float64.
    target : Tensor
        Class indices, of any integer dtype and shape (), (N) or (N, d1, ...); or probabilities, shaped like ``input``.
    weight : Tensor, optional
        A weight for each class, of shape (C).
    size_average, reduce : bool, optional
        Deprecated in torch, and understood as there.
    ignore_index : int
        A class index whose rows count for nothing, whatever their input. Only for class indices.
    reduction : str
        "mean", "sum" or "none".
    label_smoothing : float
        The part of each target, from 0 to 1, that is spread evenly over the classes.

    Returns
    -------
    Tensor
        Of the dtype of ``input``; float32 under autocast.

    Raises
    ------
    IndexError
        If a class index is no class; in compiled or transformed code, where values are not known, its loss is nan.
    ValueError, RuntimeError, TypeError
        As in :func:`binary_cross_entropy_with_logits`.

    Notes
    -----
    Special values: a class of input -inf is absent, it adds nothing beside a target of 0. No row to take the mean over
    gives nan.

    Accuracy: tensors on the CPU have the bits of :func:`logitloss.softmax_cross_entropy_with_logits` and
    :func:`logitloss.sparse_softmax_cross_entropy_with_logits`; sums and means are exact and rounded once. Elsewhere,
    compiled and transformed: docs/frameworks/pytorch.md.

    Source: ``torch.nn.functional.cross_entropy``.

    Examples
    --------
    >>> import torch
    >>> from logitloss.torch import cross_entropy
    >>> cross_entropy(torch.tensor([[40.0, 0.0], [-torch.inf, 1.0]]), torch.tensor([0, 1]), reduction="none")
    tensor([4.2484e-18, 0.0000e+00])
    """
    reduction = _mode(size_average, reduce, reduction)
    eager_input = tensors(TORCHS, input, target)
    indices = target.ndim < input.ndim
    axis = class_axis(input, target)
    last = axis == input.ndim - 1
    x = autocast(input) if last else autocast(input).movedim(axis, -1)
    if weight is not None:
        class_weight(weight, x.shape[-1], x)
        eager_input = eager_input and has_kernel(weight)
    smoothing(label_smoothing)
    ignore_index = ignored_index(ignore_index)
    if indices:
        return _of_indices(x, target.to(torch.int64), eager_input, weight, ignore_index, reduction, label_smoothing)
    if ignore_index >= 0:
        raise RuntimeError(
            f"ignore_index is for class indices, got {ignore_index} with probabilities. "
            "Leave it out, and drop the rows to ignore."
        )
    z = _smoothed(target if last else target.movedim(axis, -1), x, weight, label_smoothing)
    if reduction == "none":
        return _softmax.loss(x, z)
    return reduced(_softmax, x, z, eager_input, x.numel() // x.shape[-1] if reduction == "mean" else 1)


def _of_indices(
    x: Tensor,
    y: Tensor,
    eager_input: bool,
    weight: Tensor | None,
    ignore_index: int,
    reduction: str,
    label_smoothing: float,
) -> Tensor:
    ignored, count = None, y.numel()
    if not (eager_input and all_counted(y, x.shape[-1], ignore_index)):
        ignored = y == ignore_index
        left_out = ignored.sum()
        if eager(y):
            left_out = int(left_out)
            ignored = ignored if left_out else None
        count = y.numel() - left_out
        y = y if ignored is None else y.masked_fill(ignored, 0)
        if eager(y):
            known_classes(y, x.shape[-1])
    z = _smoothed(_softmax.one_hot(x, y), x, weight, label_smoothing) if label_smoothing else y
    if weight is None and reduction != "none":
        return reduced(_softmax, x, z, eager_input, count if reduction == "mean" else 1, ignored)
    loss = _softmax.loss(x, z, ignored)
    row_weight = None if weight is None else weight[y]
    if row_weight is not None and not label_smoothing:
        loss = (loss * row_weight).to(loss.dtype)
    if reduction == "none":
        return loss
    if row_weight is None or reduction == "sum":
        return summed(loss)
    row_weight = row_weight if ignored is None else torch.where(ignored, 0, row_weight)
    losses, weights = compute_dtype(loss, row_weight)
    return (summed(losses) / summed(weights)).to(loss.dtype)


def _smoothed(z: Tensor, x: Tensor, weight: Tensor | None, label_smoothing: float) -> Tensor:
    """Return the smoothed distributions, each class times its weight."""
    if weight is None and not label_smoothing:
        return z
    z, _, weight = compute_dtype(z, x, weight)
    if label_smoothing:
        z = z * (1 - label_smoothing) + label_smoothing / x.shape[-1]
    return z if weight is None else z * weight


def _mode(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Return the reduction, also of the deprecated arguments."""
    if size_average is not None or reduce is not None:
        reduction = _reduction.legacy_get_string(size_average, reduce)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}. Pass one of them.")
    return reduction
