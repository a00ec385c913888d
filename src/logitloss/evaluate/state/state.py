"""What is known of some rows, in a form that can be added to without rounding: the accumulator behind every score.

Each row gives a few numbers: its weight, its loss, their products. Each of these is rounded at most once, by itself,
and the sums are integers in units of 2**-1074, so that no order of the rows and no split into batches, files, threads
or machines changes a bit of them. Rounding happens in `compute`, once for each number of a score.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import ClassVar

import numpy as np
import pyarrow as pa

from logitloss.evaluate.results import COUNTS, SUMS, Bins, Losses, Score, score_of, to_float
from logitloss.evaluate.state.sums import (
    BIN,
    HIGHEST,
    HIGHEST_LOSS,
    LOWEST,
    LOWEST_LOSS,
    PER_LOGIT,
    SHIFT,
    BinSums,
    Name,
    by_class,
    columns_of,
    sums_of,
)

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
        self._sums: defaultdict[Name, int] = defaultdict(int)
        return self

    def update(self, labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None = None) -> State:
        """Count some rows in, and return self. Several threads may do so at once.

        Arguments:
            labels: from 0 to 1, bool, integer or float, of shape (rows,); with lists of logits, the class of each row.
            logits: float16, float32 or float64, of shape (rows,) or (rows, classes). Losses have their dtype, those of
                float16 are float32.
            weights: finite and not negative, of shape (rows,); without them every row weighs 1. A row of weight 0
                counts as a row and adds nothing to any sum, not even where its loss is infinite.

        Nothing is checked: labels beyond 0 and 1, nan and negative weights are for the reader to refuse.
        """
        if logits.dtype == np.float16:
            logits = logits.astype(np.float32)
        if logits.ndim == 2:
            self.add_sums(by_class(labels, weights))
        if logits.ndim == 2 or not self._with_bins:
            self.add_sums(sums_of(columns_of(labels, logits, weights)))
        else:
            sums = BinSums()
            sums.add(labels, logits, weights)
            self.add_sums(sums.finish())
        return self

    def merge(self, other: State) -> State:
        """Count in all that another state holds, and return self."""
        self.add_sums(other._sums)
        return self

    def compute(self) -> Score:
        """The score of the rows so far."""
        classes = {index: value for (name, index), value in self._sums.items() if name == "class"}
        return score_of({name: self.counted(name) for name in (*COUNTS, *SUMS)}, classes, 1 << SHIFT)

    def bins(self) -> Bins:
        """What is known of each interval of the logit; none where logits are lists."""
        occupied = sorted(index for name, index in self._sums if name == "bin_rows")
        at = np.array(occupied, np.int64) - LOWEST
        rows, infinite, _, weight, label, residual, loss = (
            [self._sums.get((f"bin_{name}", k), 0) for k in occupied] for name in BIN
        )
        probability = [z + r for z, r in zip(label, residual, strict=True)]  # p is z + (p - z)
        edges = np.array([-np.inf, *np.arange(LOWEST + 1, HIGHEST + 1) / PER_LOGIT, np.inf])
        columns = [
            np.array([to_float(value, 1 << SHIFT) for value in column], np.float64)
            for column in (weight, label, probability, loss)
        ]
        columns[-1][np.array(infinite, bool)] = np.inf
        return Bins(edges[at], edges[at + 1], np.array(rows, np.int64), np.array(rows, np.float64), *columns)

    def losses(self) -> Losses:
        """The number of rows in each interval of the loss, from the first occupied one to the last."""
        occupied = [index for name, index in self._sums if name == "loss_rows"]
        at = np.arange(min(occupied, default=0), max(occupied, default=-1) + 1)
        rows = [self._sums.get(("loss_rows", k), 0) for k in at.tolist()]
        lower = np.where(at == LOWEST_LOSS, 0.0, 2.0**at)
        return Losses(lower, np.where(at == HIGHEST_LOSS, np.inf, 2.0 ** (at + 1)), np.array(rows, np.int64))

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

    def add_sums(self, sums: Mapping[Name, int]) -> None:
        """Count in what is known of some rows by name."""
        with _LOCK:
            for name, value in sums.items():
                if value:
                    self._sums[name] += value

    def count(self, **counts: int) -> None:
        """Add to counts that no score is made of."""
        self.add_sums({(name, 0): value for name, value in counts.items()})

    def counted(self, name: str) -> int:
        """One of the counts, or sums, by its name."""
        return self._sums.get((name, 0), 0)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, State):
            return NotImplemented
        return {k: v for k, v in self._sums.items() if v} == {k: v for k, v in other._sums.items() if v}

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # mutable
