"""Checked batches in, a `Partial` out: rows are counted by all of them and by group."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from logitloss import _core
from logitloss.evaluate.input.check import Batch
from logitloss.evaluate.results import Key
from logitloss.evaluate.state.partial import Partial
from logitloss.evaluate.state.state import State
from logitloss.evaluate.state.sums import BinSums, Sum, columns_of, named, total

CHUNK = 1 << 14  # rows whose columns stay in the cache


class Groups:
    """Exact sums of columns by group, however many groups there are. One thread at a time may add."""

    def __init__(self) -> None:
        """No groups."""
        self._numbers: dict[Key, int] = {}
        self._sums: _core.GroupSums | None = None

    def number(self, keys: Sequence[pa.DictionaryArray]) -> np.ndarray:
        """The number of each row's group, by which `add` knows it."""
        code = _dense(keys[0].indices.to_numpy())
        for column in keys[1:]:
            # Made dense after each column, or the product of the columns' sizes could overflow.
            code = _dense(code.astype(np.int64) * len(column.dictionary) + column.indices.to_numpy())
        first_rows = pa.array(np.flatnonzero(np.diff(np.maximum.accumulate(code), prepend=-1)))
        values = [column.dictionary.take(column.indices.take(first_rows)).to_pylist() for column in keys]
        numbers = [self._numbers.setdefault(key, len(self._numbers)) for key in zip(*values, strict=True)]
        return np.array(numbers, np.int32)[code]

    def add(self, numbers: np.ndarray, columns: Sequence[np.ndarray]) -> None:
        """Count rows in, each with a number in every column; there are as many columns in every call."""
        if self._sums is None:
            self._sums = _core.GroupSums(len(columns))
        self._sums.add(numbers, np.stack(columns, axis=1, dtype=np.float64))

    def finish(self) -> Iterator[tuple[Key, int, list[Sum]]]:
        """The key of each group, its rows, and its sum of each column."""
        if self._sums is not None:
            for key, number in self._numbers.items():
                yield key, *self._sums.finish(number)


def _dense(code: np.ndarray) -> np.ndarray:
    """Numbers from 0, in the order in which the values first appear."""
    return pa.array(code).dictionary_encode().indices.to_numpy()


class Counter:
    """What some batches come to. One thread at a time may use it."""

    def __init__(self, key_types: Sequence[pa.DataType]):
        """No rows; `key_types` are those of the columns to group by."""
        self._with_groups, self._counts = bool(key_types), State()
        self._bins, self._groups, self._classes = BinSums(), Groups(), Groups()

    def update(self, batch: Batch) -> None:
        """Count the rows of a batch in."""
        x, z, w = batch.logits, batch.labels, batch.weights
        self._counts.count(skipped=batch.skipped, zeros=batch.zeros, ones=batch.ones)
        if x.ndim == 2:
            self._counts.update(z, x, w)
        else:
            self._bins.add(z, x, w)
        if not self._with_groups:
            return
        numbers = self._groups.number(batch.keys)
        for start in range(0, len(z), CHUNK):
            rows = slice(start, start + CHUNK)
            self._groups.add(numbers[rows], columns_of(z[rows], x[rows], w if w is None else w[rows]))
        if x.ndim == 2:
            classes = pa.array(z.astype(np.int64)).dictionary_encode()
            self._classes.add(self._classes.number([*batch.keys, classes]), [np.ones(len(z)) if w is None else w])

    def add_to(self, partial: Partial) -> None:
        """Count in there all that was counted here."""
        partial.overall.merge(self._counts)
        partial.overall.add_sums(self._bins.finish())
        for key, rows, sums in self._groups.finish():
            partial.group(key).add_sums(named(rows, sums))
        for (*key, class_), _, (weight,) in self._classes.finish():
            partial.group(tuple(key)).add_sums({("class", class_): total(weight)})
