"""What is known of some rows, in a form that can be added to without rounding: the accumulator behind every score.

Each row gives a few numbers: its weight, its loss, their products. Each of these is rounded at most once, by itself,
and the sums are integers in units of 2**-1074, so that no order of the rows and no split into batches, files, threads
or machines changes a bit of them. Rounding happens in `compute`, once for each number of a score.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from xent import _core, ufuncs
from xent.evaluate.results import COUNTS, SUMS, Bins, Losses, Score, score_of, to_float

SHIFT = 1074  # sums are integers in units of 2**-1074, the smallest positive float64; counts are in units of 1
_BIN = ("rows", "infinite", "weight", "label", "residual", "loss")  # what is known of each interval of the logit

# The intervals of the logit are [k/4, (k+1)/4) from -16 to 16 and one beyond each end; of the loss, [2^k, 2^(k+1)).
_PER_LOGIT, _LOWEST, _HIGHEST = 4, -65, 64
_LOWEST_LOSS, _HIGHEST_LOSS = -33, 31

_Name = tuple[str, int]  # what a sum is of, and the number of its interval or class; 0 where it has none
_NAMES = tuple((name, 0) for name in (*COUNTS, *SUMS))
_LOCK = threading.Lock()

LIMBS = pa.schema([("sum", pa.string()), ("index", pa.int64()), ("limb", pa.int64()), ("value", pa.int64())])


class State:
    """The exact sums of some rows.

    With `bins`, also by intervals of the logit and of the loss, as the reliability diagram and the histogram need: 130
    and 65 of them, of which only the occupied ones take memory. Groups go without: with 10^5 groups their bins would be
    most of the memory, and the few rows of one tell little of calibration.
    """

    __slots__ = ("_sums", "_with_bins")

    def __init__(self, *, bins: bool = True):
        """A state of no rows."""
        self._with_bins = bins
        self.reset()

    def reset(self) -> State:
        """Forget every row, and return self."""
        self._sums: defaultdict[_Name, int] = defaultdict(int)
        return self

    def update(self, labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> State:
        """Count some rows in, and return self. Several threads may do so at once.

        Arguments:
            labels: from 0 to 1, bool, integer or float, of shape (rows,); with lists of logits, the class of each row.
            logits: float16, float32 or float64, of shape (rows,) or (rows, classes). Losses have their dtype.
            weights: finite and not negative, of shape (rows,); without them every row weighs 1. A row of weight 0
                counts as a row and adds nothing to any sum, not even where its loss is infinite.

        Nothing is checked: labels beyond 0 and 1, nan and negative weights are for the reader to refuse.
        """
        if logits.ndim == 2:
            self._add(_sums_of(ufuncs.sparse_softmax_cross_entropy(logits, labels.astype(np.int64)), weights))
            self._add(_by_class(labels, weights))
        elif not self._with_bins:
            loss, residual = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
            self._add(_sums_of(loss, weights, labels, residual))
        else:
            self._add(_by_bin(labels, logits, weights))
        return self

    def merge(self, other: State) -> State:
        """Count in all that another state holds, and return self."""
        self._add(other._sums)
        return self

    def compute(self) -> Score:
        """The score of the rows so far."""
        classes = {index: value for (name, index), value in self._sums.items() if name == "class"}
        return score_of({name: self.counted(name) for name in (*COUNTS, *SUMS)}, classes, 1 << SHIFT)

    def bins(self) -> Bins:
        """What is known of each interval of the logit; none where logits are lists."""
        occupied = sorted(index for name, index in self._sums if name == "bin_rows")
        at = np.array(occupied, np.int64) - _LOWEST
        rows, infinite, weight, label, residual, loss = (
            [self._sums.get((f"bin_{name}", k), 0) for k in occupied] for name in _BIN
        )
        probability = [z + r for z, r in zip(label, residual, strict=True)]  # p is z + (p - z)
        edges = np.array([-np.inf, *np.arange(_LOWEST + 1, _HIGHEST + 1) / _PER_LOGIT, np.inf])
        columns = [
            np.array([to_float(value, 1 << SHIFT) for value in column], np.float64)
            for column in (weight, label, probability, loss)
        ]
        columns[-1][np.array(infinite, bool)] = np.inf
        return Bins(edges[at], edges[at + 1], np.array(rows, np.int64), *columns)

    def losses(self) -> Losses:
        """The number of rows in each interval of the loss, from the first occupied one to the last."""
        occupied = [index for name, index in self._sums if name == "loss_rows"]
        at = np.arange(min(occupied, default=0), max(occupied, default=-1) + 1)
        rows = [self._sums.get(("loss_rows", k), 0) for k in at.tolist()]
        lower = np.where(at == _LOWEST_LOSS, 0.0, 2.0**at)
        return Losses(lower, np.where(at == _HIGHEST_LOSS, np.inf, 2.0 ** (at + 1)), np.array(rows, np.int64))

    def to_arrow(self) -> pa.Table:
        """The state as int64 limbs of 32 bits, a row each: `sum`, `index`, `limb`, `value`.

        States are merged by adding the values of rows with equal `sum`, `index` and `limb`, by any engine; so may be up
        to 2^31 states before `from_arrow` must make one of them.
        """
        rows = list(self.limbs())
        return pa.table([list(column) for column in zip(*rows, strict=True)] if rows else [[]] * 4, schema=LIMBS)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> State:
        """The state of a table, or of several put together or added up."""
        state = cls()
        for row in zip(*(table[name].to_pylist() for name in LIMBS.names), strict=True):
            state.add_limb(*row)
        return state

    def limbs(self) -> Iterator[tuple[str, int, int, int]]:
        """The rows of `to_arrow`: the limbs that are not 0, each with the sign of its sum."""
        for (name, index), value in self._sums.items():
            sign, value, limb = (-1 if value < 0 else 1), abs(value), 0
            while value:
                if value & 0xFFFFFFFF:
                    yield name, index, limb, sign * (value & 0xFFFFFFFF)
                value, limb = value >> 32, limb + 1

    def add_limb(self, name: str, index: int, limb: int, value: int) -> None:
        """Count a row of `to_arrow` in."""
        self._sums[name, index] += value << 32 * limb

    def count(self, **counts: int) -> None:
        """Add to counts that no score is made of."""
        self._add({(name, 0): value for name, value in counts.items()})

    def counted(self, name: str) -> int:
        """One of the counts, or sums, by its name."""
        return self._sums.get((name, 0), 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return {k: v for k, v in self._sums.items() if v} == {k: v for k, v in other._sums.items() if v}

    __hash__ = None  # type: ignore[assignment]  # mutable

    def _add(self, sums: Mapping[_Name, int]) -> None:
        with _LOCK:
            for name, value in sums.items():
                if value:
                    self._sums[name] += value


@np.errstate(all="ignore")  # float16 logits times 4 may be infinite
def _by_bin(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None) -> dict[_Name, int]:
    """The sums, together and by intervals of the logit and of the loss."""
    bins = (np.clip(np.floor(logits * logits.dtype.type(_PER_LOGIT)), _LOWEST, _HIGHEST) - _LOWEST).astype(np.uint8)
    order = np.argsort(bins, kind="stable")  # for bytes a radix sort; each interval is then a slice
    logits, labels = logits[order], labels[order]
    weights = weights if weights is None else weights[order]
    loss, residual = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
    sums: defaultdict[_Name, int] = defaultdict(int)
    end = 0
    for k, rows in enumerate(np.bincount(bins).tolist(), _LOWEST):
        if rows:
            start, end = end, end + rows
            part = slice(start, end)
            of_bin = _sums_of(loss[part], None if weights is None else weights[part], labels[part], residual[part])
            for name, value in of_bin.items():
                sums[name] += value
            sums |= {(f"bin_{name}", k): of_bin[name, 0] for name in _BIN}
    exponents = np.bincount(loss.astype(np.float64).view(np.int64) >> 52)
    for exponent in np.flatnonzero(exponents).tolist():
        sums["loss_rows", min(max(exponent - 1023, _LOWEST_LOSS), _HIGHEST_LOSS)] += int(exponents[exponent])
    return sums


def _by_class(classes: np.ndarray, weights: np.ndarray | None) -> dict[_Name, int]:
    """The weight of each class."""
    each, index = np.unique(classes, return_inverse=True)
    sums = {}
    for i, class_ in enumerate(each.tolist()):
        mine = index == i
        weight = int(np.count_nonzero(mine)) << SHIFT if weights is None else _exact(weights[mine])[0]
        sums["class", class_] = weight
    return sums


@np.errstate(all="ignore")  # what overflows is counted
def _sums_of(
    loss: np.ndarray, weights: np.ndarray | None, labels: np.ndarray | None = None, residual: np.ndarray | None = None
) -> dict[_Name, int]:
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
    total, nan, infinite, _ = _core.exact_sum(values)
    return int.from_bytes(total, "little", signed=True), nan, infinite
