"""What is known of all rows and of each group so far: states that are merged, kept in a file and made a report."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from logitloss.evaluate.results import Group, Key, Report
from logitloss.evaluate.state.state import LIMBS, State


class Partial:
    """A state for all rows and, where there are columns to group by, one for each group."""

    def __init__(self, key_types: Iterable[pa.DataType] = ()):
        """No rows; `key_types` are those of the columns to group by."""
        self.key_types = tuple(key_types)
        self.overall = State()
        self.groups: dict[Key, State] = {}

    def group(self, key: Key) -> State:
        """The state of a group."""
        state = self.groups.get(key)
        return self.groups.setdefault(key, State(bins=False)) if state is None else state

    def merge(self, other: Partial) -> None:
        """Count in all that another has."""
        self.overall.merge(other.overall)
        for key, state in other.groups.items():
            self.group(key).merge(state)

    def report(self, by: tuple[str, ...], sources: tuple[str, ...], logits: str, labels: str) -> Report:
        """The scores, and what names them."""
        return Report(
            self.overall.compute(),
            by,
            tuple(Group(key, self.groups[key].compute()) for key in in_order(self.groups)),
            self.overall.bins(),
            self.overall.losses(),
            *(sources, logits, labels),
            skipped={"invalid": skipped} if (skipped := self.overall.counted("skipped")) else {},
            zeros=self.overall.counted("zeros"),
            ones=self.overall.counted("ones"),
        )

    def to_arrow(self) -> pa.Table:
        """The limbs of all states, each after its `scope`, "all" or "group", and its key, `key_0` and so on."""
        schema = self._schema()
        states = itertools.chain(
            [("all", (None,) * len(self.key_types), self.overall)],
            (("group", key, state) for key, state in self.groups.items()),
        )

        def batches() -> Iterator[pa.RecordBatch]:
            while chunk := list(itertools.islice(states, 1 << 12)):
                rows = [(scope, *key, *limb) for scope, key, state in chunk for limb in state.limbs()]
                if rows:
                    columns = zip(zip(*rows, strict=True), schema.types, strict=True)
                    yield pa.record_batch([pa.array(column, kind) for column, kind in columns], schema=schema)

        return pa.Table.from_batches(batches(), schema)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> Partial:
        """The states of a table, or of several put together or added up."""
        self = cls(table.schema.types[1 : -len(LIMBS)])
        for batch in table.to_batches():
            for scope, *key, name, index, limb, value in zip(*(column.to_pylist() for column in batch), strict=True):
                state = self.overall if scope == "all" else self.group(tuple(key))
                state.add_limb(name, index, limb, value)
        return self

    def _schema(self) -> pa.Schema:
        keys = (pa.field(f"key_{i}", kind) for i, kind in enumerate(self.key_types))
        return pa.schema([pa.field("scope", pa.string()), *keys, *LIMBS])


def in_order(keys: Iterable[Key]) -> list[Key]:
    """The keys sorted column by column: by value where all are numbers (also as text: a CSV's months), nulls last."""
    keys = list(keys)
    numeric = [all(value is None or _is_number(value) for value in column) for column in zip(*keys, strict=True)]

    def rank(key: Key) -> tuple:
        return tuple(
            (True,) if value is None else (False, float(value) if number else 0.0, value)
            for value, number in zip(key, numeric, strict=True)
        )

    return sorted(keys, key=rank)


def _is_number(value: Any) -> bool:
    try:
        return not math.isnan(float(value))
    except ValueError:
        return False
