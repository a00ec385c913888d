"""Large arrays in chunks: Python answers Ctrl-C between two calls of the core, never inside one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from . import _core, _threads

# Elements for each thread: about a tenth of a second, and so many that chunks cost nothing. Without fused
# multiply-add an element takes twenty times as long.
_LARGEST = 1 << (22 if _core.isa() == "baseline" else 25)


def elementwise(ufunc: np.ufunc, *inputs: Any) -> Any:
    """Return the ufunc of arrays that broadcast to the shape of the first."""
    if not _large(inputs):
        return ufunc(*inputs)
    logits = inputs[0]
    outputs = [_empty(logits, logits.shape) for _ in range(ufunc.nout)]
    for parts, results in chunks([np.broadcast_to(a, logits.shape) for a in inputs], outputs):
        ufunc(*parts, out=tuple(results))
    return tuple(outputs) if len(outputs) > 1 else outputs[0]


def rows(ufunc: np.ufunc, axes: list, logits: Any, labels: Any, *divisor: float, out: Any = None) -> Any:
    """Return a softmax ufunc of arrays whose classes lie along ``axes``; ``out`` takes its gradient."""
    if not _large((logits, labels)):
        return ufunc(logits, labels, *divisor, axes=axes, **({} if out is None else {"out": (None, out)}))
    inputs = [np.moveaxis(a, axis, [-1] * len(axis)) for a, axis in zip((logits, labels), axes, strict=False)]
    loss = _empty(logits, inputs[0].shape[:-1])
    gradient = [] if ufunc.nout == 1 else [_empty(logits, logits.shape) if out is None else out]
    outputs = [loss, *(np.moveaxis(array, axes[-1], [-1]) for array in gradient)]
    for parts, results in chunks(inputs, outputs, logits.ndim - 1):
        ufunc(*parts, *divisor, out=tuple(results))
    return (loss, *gradient) if gradient else loss


def chunks(
    inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray] = (), rank: int | None = None
) -> Iterable[tuple[Sequence[np.ndarray], Sequence[np.ndarray]]]:
    """Return views of the same chunk of all arrays, one chunk after the other; small arrays are one chunk.

    Their first ``rank`` axes, by default all, have the same lengths, and one of these axes is split.
    """
    if not _large(inputs) or rank == 0:
        return ((inputs, outputs),)
    # A later chunk would read what an earlier chunk has written, unless the output lies where the input does.
    inputs = [a.copy() if any(_overlap(a, o) for o in outputs) else a for a in inputs]
    shape = inputs[0].shape[:rank]
    axis = shape.index(max(shape))
    step = max(1, shape[axis] * _LARGEST * _threads.get_num_threads() // inputs[0].size)
    parts = ((*[slice(None)] * axis, slice(start, start + step)) for start in range(0, shape[axis], step))
    return (([a[part] for a in inputs], [o[part] for o in outputs]) for part in parts)


def _large(arrays: Sequence[Any]) -> bool:
    """Whether these are split: arrays of other kinds than NumPy's see to themselves."""
    size = arrays[0].size
    return (
        size > _LARGEST
        and size > _LARGEST * _threads.get_num_threads()
        and all(type(array) is np.ndarray for array in arrays)
    )


def _empty(logits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.empty_like(logits, dtype=logits.dtype.newbyteorder("="), shape=shape)


def _overlap(source: np.ndarray, output: np.ndarray) -> bool:
    same_address = source.ctypes.data == output.ctypes.data and source.strides == output.strides
    return not same_address and np.may_share_memory(source, output)
