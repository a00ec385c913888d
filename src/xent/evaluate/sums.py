"""Rows in, exact sums out: what `State` adds to what it has.

The element losses are those of the library; here they are multiplied by their weights and added by the core, which
rounds no sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from xent import _core, ufuncs
from xent.evaluate.results import COUNTS, SUMS

SHIFT = 1074  # sums are integers in units of 2**-1074, the smallest positive float64; counts are in units of 1

# What is known of each interval of the logit. They are [k/4, (k+1)/4) from -16 to 16 and one beyond each end, those of
# the loss [2^k, 2^(k+1)); both as in cpp/tally.h.
BIN = ("rows", "infinite", "undefined", "weight", "label", "residual", "loss")
PER_LOGIT, LOWEST, HIGHEST = 4, -65, 64
LOWEST_LOSS, HIGHEST_LOSS = -33, 31

Name = tuple[str, int]  # what a sum is of, and the number of its interval or class; 0 where it has none
_NAMES = tuple((name, 0) for name in (*COUNTS, *SUMS))
_CHUNK = 1 << 16  # rows whose numbers stay in the cache


@np.errstate(all="ignore")  # what overflows is counted
def by_bin(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None) -> dict[Name, int]:
    """The sums, together and by intervals of the logit and of the loss."""
    tally, of_weights = _core.Tally(), _core.Tally()
    sums: defaultdict[Name, int] = defaultdict(int)
    for start in range(0, len(logits), _CHUNK):
        rows = slice(start, start + _CHUNK)
        x, z = np.ascontiguousarray(logits[rows]), np.ascontiguousarray(labels[rows])
        loss, residual = ufuncs.sigmoid_cross_entropy_value_and_grad(x, z)
        if x.dtype == np.float16:
            x, loss, residual = (values.astype(np.float32) for values in (x, loss, residual))
        if z.dtype != bool:
            z = z.astype(np.float64)
        wide = loss.astype(np.float64)
        if weights is None:
            tally.add(x, z, loss, residual)
        else:
            x, w = x.astype(np.float64), weights[rows].astype(np.float64)
            of_weights.add(x, w, wide, w * w)
            wide = np.where(w > 0, w * wide, 0)
            tally.add(x, w * z, wide, w * residual)
            sums["weight2_loss", 0] += _exact(w * wide)[0]
        loss2, _, not_finite = _exact(wide * wide)
        sums["loss2", 0] += loss2
        sums["overflowed", 0] += not_finite
    cells, losses = tally.finish()
    for k, rows, label, loss, residual in _summed(cells):
        weight = rows << SHIFT if weights is None else 0
        values = (rows, loss[2], loss[1], weight, label, residual, loss[0])
        _add_to_bin(sums, k, dict(zip(BIN, values, strict=True)))
    if weights is None:
        sums["weight2", 0], sums["weight2_loss", 0] = sums["weight", 0], sums["loss", 0]
    else:
        cells, losses = of_weights.finish()
        for k, _, weight, _, weight2 in _summed(cells):
            _add_to_bin(sums, k, {"weight": weight})
            sums["weight2", 0] += weight2
    sums["overflowed", 0] -= sums["infinite", 0]
    sums |= {("loss_rows", k): rows for k, rows in enumerate(losses, LOWEST_LOSS)}
    return sums


def _summed(cells: Sequence) -> Iterator[tuple[int, int, int, tuple[int, int, int], int]]:
    """Of each cell of a tally the interval, the rows, and the sums; that of losses with what it leaves out."""
    for cell, rows, label, loss, residual in cells:
        ones = rows << SHIFT if cell % 2 else 0  # where every label is 1, they are not added
        yield cell // 2 + LOWEST, rows, ones + _total(label), (_total(loss), loss[1], loss[2]), _total(residual)


def _add_to_bin(sums: dict[Name, int], k: int, values: Mapping[str, int]) -> None:
    for name, value in values.items():
        sums[name, 0] += value
        if value:
            sums[f"bin_{name}", k] += value


def by_class(classes: np.ndarray, weights: np.ndarray | None) -> dict[Name, int]:
    """The weight of each class."""
    each, index = np.unique(classes, return_inverse=True)
    sums = {}
    for i, class_ in enumerate(each.tolist()):
        mine = index == i
        weight = int(np.count_nonzero(mine)) << SHIFT if weights is None else _exact(weights[mine])[0]
        sums["class", class_] = weight
    return sums


@np.errstate(all="ignore")  # what overflows is counted
def sums_of(
    loss: np.ndarray, weights: np.ndarray | None, labels: np.ndarray | None = None, residual: np.ndarray | None = None
) -> dict[Name, int]:
    """The sums by name; without labels and residuals, those of the losses alone."""
    rows = len(loss)
    if weights is None:
        weight = weight2 = rows << SHIFT
        wide, weight2_loss = loss.astype(np.float64), None
    else:
        if not weights.all():
            counted = weights > 0
            loss, weights = loss[counted], weights[counted]
            labels = labels if labels is None else labels[counted]
            residual = residual if residual is None else residual[counted]
        weights = weights.astype(np.float64)
        wide = weights * loss
        weight, weight2, weight2_loss = (_exact(values)[0] for values in (weights, weights * weights, weights * wide))
        labels = labels if labels is None else weights * labels
        residual = residual if residual is None else weights * residual
    total, undefined, infinite = _exact(wide)
    loss2, _, not_finite = _exact(wide * wide)
    weight2_loss = total if weight2_loss is None else weight2_loss
    label, residual_ = (0 if values is None else _exact(values)[0] for values in (labels, residual))
    counts = (rows, infinite, undefined, not_finite - infinite)
    return dict(zip(_NAMES, (*counts, weight, weight2, total, weight2_loss, loss2, label, residual_), strict=True))


def _exact(values: np.ndarray) -> tuple[int, int, int]:
    """The sum in units of 2**-1074, and how many values are nan and infinite, which the sum leaves out."""
    if values.dtype == bool:
        return int(np.count_nonzero(values)) << SHIFT, 0, 0
    total = _core.exact_sum(values)
    return _total(total), total[1], total[2]


def _total(total: tuple[bytes, int, int, int]) -> int:
    return int.from_bytes(total[0], "little", signed=True)
