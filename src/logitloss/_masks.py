"""Losses of the elements that a mask counts: the others are +0 and leave the mean's denominator."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks, _chunks, _core
from ._exact import ExactSum


def elementwise(
    results: tuple[str, ...], labels: Any, logits: Any, where: Any, pos_weight: Any = None, name: str | None = None
) -> Any:
    """Return those of "loss", "gradient" and "hessian" that ``results`` names, of arrays that were checked."""
    _checks.numpy_only(labels, logits, "masked")
    mask = _full(_checks.mask(where, logits.shape, name), logits)
    weight = () if pos_weight is None else (np.broadcast_to(pos_weight, logits.shape),)
    outputs = [_checks.gradient_out(None, logits) for _ in results]
    for (x, z, counts, *weights), parts in _chunks.chunks((logits, labels, mask, *weight), outputs):
        wanted = dict(zip(results, parts, strict=True))
        wanted = {key: wanted.get(key) for key in ("loss", "gradient", "hessian")}
        _core.sigmoid_cross_entropy_where(x, z, weights[0] if weights else None, counts, **wanted)
    values = [output[()] for output in outputs]
    return tuple(values) if len(values) > 1 else values[0]


def total(labels: Any, logits: Any, where: Any, *gradient: np.ndarray) -> ExactSum:
    """Return the sum of the losses that count; ``gradient`` takes that of their mean."""
    mask = _checks.mask(where, logits.shape)
    count = _count(mask, logits.shape)
    sum_ = ExactSum()
    for (x, z, counts), slope in _chunks.chunks((logits, labels, _full(mask, logits)), gradient):
        state = _core.sigmoid_cross_entropy_total(x, z, slope[0] if slope else None, float(max(count, 1)), counts)
        sum_._add(0, state)
    sum_.count = count
    return sum_


def of_rows(where: Any, labels: Any, logits: Any, axis: int, name: str | None = None) -> np.ndarray | None:
    """Return a mask with an element for each row of a softmax, or None where every row counts."""
    if where is None:
        return None
    _checks.numpy_only(labels, logits, "masked")
    shape = np.moveaxis(logits, axis, -1).shape[:-1]
    return np.broadcast_to(_checks.mask(where, shape, name, "the rows"), shape)


def clear_rows(mask: np.ndarray | None, axis: int, loss: Any, *gradient: np.ndarray) -> Any:
    """Return a softmax's losses and gradients, +0 where the row does not count."""
    if mask is not None:
        loss = np.asarray(loss)
        np.copyto(loss, 0, where=~mask)
        loss = loss[()]
        for array in gradient:
            np.copyto(array, 0, where=np.expand_dims(~mask, axis))
    return (loss, *gradient) if gradient else loss


def _count(mask: np.ndarray, shape: tuple[int, ...]) -> int:
    """How many elements of the shape count: each element of the mask stands for as many of them."""
    return int(np.count_nonzero(mask)) * (int(np.prod(shape)) // mask.size if mask.size else 0)


def _full(mask: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The mask in the shape of the logits; written out where it varies, since the core walks runs of one stride."""
    if mask.shape == logits.shape:
        return mask
    if mask.size == 1:
        return np.broadcast_to(mask, logits.shape)
    full = np.empty_like(logits, dtype=np.bool_, subok=False)
    np.copyto(full, mask)
    return full
