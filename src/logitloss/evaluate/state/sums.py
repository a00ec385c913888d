"""Exact sums of named columns by key: a native table of sums, and what numbers its rows.

However rows come and tables are merged, the sums are the same: nothing is rounded before they are read.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from logitloss import _core
from logitloss.evaluate.state.double_double import DoubleDouble

Keys = list[pa.Array]  # a column for each part of the key


def dense(columns: Sequence[pa.Array], rows: int) -> tuple[np.ndarray, pa.Array]:
    """The number of each row's key, in the order in which keys first appear, and the first row of each."""
    code, codes = np.zeros(rows, np.int32), 1
    for i, column in enumerate(columns):
        part = column if isinstance(column, pa.DictionaryArray) else column.dictionary_encode(null_encoding="encode")
        missing = len(part.dictionary)
        index = part.indices.fill_null(missing).to_numpy()
        if i:
            # In the smallest type; made dense after each column, or the product of their sizes could overflow.
            wide = np.int32 if codes * (missing + 1) < 1 << 31 else np.int64
            index = code * wide(missing + 1) + index
        numbers = pa.array(index).dictionary_encode()
        code, codes = numbers.indices.to_numpy(), len(numbers.dictionary)
    return code, pa.array(np.flatnonzero(np.diff(np.maximum.accumulate(code), prepend=-1)))


def taken(columns: Sequence[pa.Array], rows: pa.Array) -> Keys:
    """The values of some rows."""
    found = [column.take(rows) for column in columns]
    return [one.dictionary_decode() if isinstance(one, pa.DictionaryArray) else one for one in found]


class Sums:
    """Sums of the same columns by keys of the same types.

    What is put in is kept aside and counted in when it is as much as there was: so a key is looked up a few times, and
    not once for each of many small tables.
    """

    def __init__(self, key_types: Sequence[pa.DataType], columns: Sequence[str]):
        """No keys."""
        self.key_types, self.columns = tuple(key_types), tuple(columns)
        self._keys = [pa.array([], kind) for kind in self.key_types]
        self._table = _core.SumTable(len(self.columns))
        self._aside: list[tuple[Keys, _core.SumTable]] = []
        self._rows_aside = 0
        self._shared = False  # whether others have the table, and it must not change

    def put(self, keys: Keys, table: _core.SumTable) -> None:
        """Count in a table, which is not to change any more: row i has the i-th key, and keys are different."""
        self._aside.append((keys, table))
        self._rows_aside += len(table)
        if self._rows_aside > max(1 << 16, len(self._table)):
            self._settle()

    def merge(self, other: Sums) -> None:
        """Count in all that another has."""
        self.put(*other.settled())
        other._shared = True

    def settled(self) -> tuple[Keys, _core.SumTable]:
        """All keys, each once, and their sums."""
        self._settle()
        return self._keys, self._table

    def by(self, *parts: int) -> tuple[np.ndarray, Sums]:
        """The sums by some parts of the key, and for each key which of these it belongs to."""
        return self.regrouped([self.settled()[0][part] for part in parts])

    def regrouped(self, keys: Keys) -> tuple[np.ndarray, Sums]:
        """The sums by other keys, one for each of ours, and for each of ours which of these it belongs to."""
        table = self.settled()[1]
        numbers, first = dense(keys, len(table))
        other = Sums([key.type for key in keys], self.columns)
        other._keys = taken(keys, first)
        other._table.resize(len(first))
        other._table.merge(table, numbers)
        return numbers, other

    def numbers(self) -> dict[str, DoubleDouble]:
        """Each sum for all keys, in their order, with 106 bits; specials such as infinities are left out."""
        high, low = self.settled()[1].rounded()
        return {name: DoubleDouble(high[:, i], low[:, i]) for i, name in enumerate(self.columns)}

    def __len__(self) -> int:
        return len(self.settled()[1])

    def _settle(self) -> None:
        self._rows_aside = 0
        if not len(self._table) and len(self._aside) == 1:
            (self._keys, self._table), self._aside, self._shared = self._aside[0], [], True
        if not self._aside:
            return
        blocks = [(self._keys, self._table), *self._aside]
        columns = [pa.concat_arrays([keys[i] for keys, _ in blocks]) for i in range(len(self.key_types))]
        numbers, first = dense(columns, sum(len(table) for _, table in blocks))
        if self._shared:
            self._table, self._shared, start = _core.SumTable(len(self.columns)), False, 0
        else:
            start = len(blocks.pop(0)[1])  # the keys that come first keep their numbers
        self._table.resize(len(first))
        for _, table in blocks:
            self._table.merge(table, numbers[start : start + len(table)])
            start += len(table)
        self._keys, self._aside = taken(columns, first), []


def places(keys: Keys, among: Keys, rows: int, size: int) -> np.ndarray:
    """Where each of so many keys stands among others, which are different and hold all of them."""
    both = [pa.concat_arrays(pair) for pair in zip(among, keys, strict=True)]
    return dense(both, size + rows)[0][size:]
