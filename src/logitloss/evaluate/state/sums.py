"""Rows in, exact sums out: what `State` adds to what it has.

The element losses are those of the library. They are multiplied by their weights, and added by the core, which rounds
no sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from logitloss import _core, ufuncs
from logitloss.evaluate.results import COUNTS, SUMS

SHIFT = 1074  # sums are integers in units of 2**-1074, the smallest positive float64; counts are in units of 1

# What is known of each interval of the logit. They are [k/4, (k+1)/4) from -16 to 16 and one beyond each end, those of
# the loss [2^k, 2^(k+1)); both as in cpp/tally.h.
BIN = ("rows", "infinite", "undefined", "weight", "label", "residual", "loss")
PER_LOGIT, LOWEST, HIGHEST = 4, -65, 64
LOWEST_LOSS, HIGHEST_LOSS = -33, 31

Sum = tuple[bytes, int, int, int]  # from the core: its bytes, and how many values were nan, inf and -inf, left out
Name = tuple[str, int]  # what a sum is of, and the number of its interval or class; 0 where it has none
_NAMES = tuple((name, 0) for name in (*COUNTS, *SUMS))


class BinSums:
    """Sums of all rows, together and by intervals of the logit and of the loss. One thread at a time may add."""

    def __init__(self) -> None:
        """No rows."""
        self._tally, self._weighted = _core.Tally(), False

    def add(self, labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None) -> None:
        """Count rows in; all of them have weights, or none."""
        x, z = np.ascontiguousarray(logits), np.ascontiguousarray(labels)
        w = None if weights is None else np.ascontiguousarray(weights, np.float64)
        self._tally.add(x, z if z.dtype == bool else z.astype(np.float64), w)
        self._weighted = w is not None

    def finish(self) -> dict[Name, int]:
        """The sums by name."""
        cells, losses, *squares = self._tally.finish()
        sums: defaultdict[Name, int] = defaultdict(int)
        for cell, rows, (weight, label, loss, residual) in cells:
            ones = rows << SHIFT if cell % 2 and not self._weighted else 0  # these labels are not added, being 1
            weight = total(weight) if self._weighted else rows << SHIFT
            values = (rows, loss[2], loss[1], weight, ones + total(label), total(residual), total(loss))
            for name, value in zip(BIN, values, strict=True):
                sums[name, 0] += value
                if value:
                    sums[f"bin_{name}", cell // 2 + LOWEST] += value
        loss2, weight2, weight2_loss = map(total, squares)
        sums["overflowed", 0] = squares[0][2] - sums["infinite", 0]
        sums["loss2", 0] = loss2
        sums["weight2", 0] = weight2 if self._weighted else sums["weight", 0]
        sums["weight2_loss", 0] = weight2_loss if self._weighted else sums["loss", 0]
        return sums | {("loss_rows", k): rows for k, rows in enumerate(losses, LOWEST_LOSS)}


def by_class(classes: np.ndarray, weights: np.ndarray | None) -> dict[Name, int]:
    """The weight of each class."""
    each, index = np.unique(classes, return_inverse=True)
    sums = {}
    for i, class_ in enumerate(each.tolist()):
        mine = index == i
        weight = int(np.count_nonzero(mine)) << SHIFT if weights is None else total(_core.exact_sum(weights[mine]))
        sums["class", class_] = weight
    return sums


def columns_of(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
    """What is added for each row. The numbers are products, each of them rounded by itself."""
    if logits.ndim == 2:
        return loss_columns(ufuncs.sparse_softmax_cross_entropy(logits, labels.astype(np.int64)), weights)
    loss, residual = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
    w = 1.0 if weights is None else weights.astype(np.float64)
    return [*loss_columns(loss, weights), w * labels, w * residual]


@np.errstate(all="ignore")  # what overflows is counted
def loss_columns(loss: np.ndarray, weights: np.ndarray | None) -> list[np.ndarray]:
    """Those of the losses alone."""
    loss = loss.astype(np.float64)
    if weights is None:
        return [loss, loss * loss]
    weights = weights.astype(np.float64)
    loss = np.where(weights > 0, weights * loss, 0)  # nothing, even where it is infinite
    return [loss, loss * loss, weights, weights * weights, weights * loss]


def sums_of(columns: Sequence[np.ndarray]) -> dict[Name, int]:
    """The sums of such columns by name."""
    return named(len(columns[0]), [_core.exact_sum(column) for column in columns])


def named(rows: int, sums: Sequence[Sum]) -> dict[Name, int]:
    """The sums of so many rows by name; with weights there are five or seven of them, else two or four."""
    totals, weighted, with_labels = [total(one) for one in sums], len(sums) > 4, len(sums) in (4, 7)
    loss, loss2 = totals[:2]
    weight, weight2, weight2_loss = totals[2:5] if weighted else (rows << SHIFT, rows << SHIFT, loss)
    label, residual = totals[-2:] if with_labels else (0, 0)
    (_, undefined, infinite, _), (_, _, not_finite, _) = sums[:2]
    counts = (rows, infinite, undefined, not_finite - infinite)
    return dict(zip(_NAMES, (*counts, weight, weight2, loss, weight2_loss, loss2, label, residual), strict=True))


def total(of: Sum) -> int:
    """The sum in units of 2**-1074."""
    return int.from_bytes(of[0], "little", signed=True)
