"""What holds for all rows of a run, before one of them is read: how many classes there are, and what keys are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.check import is_marked
from logitloss.evaluate.input.columns import CELLS, Columns
from logitloss.evaluate.input.keys import kind_of
from logitloss.evaluate.input.numbers import plain_type
from logitloss.evaluate.input.read import Opened


@dataclass(frozen=True)
class Plan:
    """The length of a list of logits, None where it is none, and for each column to group by, and the cluster's, last:

    `kinds`: the character of its kind (see `keys`), "" where the sources differ; text where none of them has types.
    `likes`: a type of that kind, by which sources without types are read: so 5 in a CSV is the 5 of a Parquet file.
    """

    classes: int | None
    kinds: tuple[str, ...] = ()
    likes: tuple[pa.DataType | None, ...] = ()


def plan_of(opened: Sequence[Opened], columns: Columns, others: Sequence[Opened] = ()) -> Plan:
    """The plan for these sources; for others beside them, the classes are to be the same."""
    keys = [_key(opened, name) for name in columns.grouping]
    return Plan(_classes([*opened, *others]), tuple(kind for kind, _ in keys), tuple(like for _, like in keys))


def _classes(opened: Sequence[Opened]) -> int | None:
    """The commonest length of the first lists of logits; None where the logits are numbers."""
    first = opened[0]
    for source in opened:
        if (source.classes is None) != (first.classes is None):
            got, expected = ("numbers", "lists") if source.classes is None else ("lists", "numbers")
            raise InputError(
                f"{source.name}: logits, column {source.schema.names[0]!r}: got {got}, expected {expected} as in "
                f"{first.name}; score these files apart"
            )
    return next((source.classes for source in opened if source.classes), first.classes)


def _key(opened: Sequence[Opened], name: str) -> tuple[str, pa.DataType | None]:
    fields = [source.schema.field(name) for source in opened]
    typed = [field for field in fields if not is_marked(field, CELLS) and kind_of(field.type, field.metadata)]
    kinds = {kind_of(field.type, field.metadata) for field in typed}
    if len(kinds) != 1:
        return ("" if kinds else "s"), None
    types = [plain_type(field.type) for field in typed]
    return kinds.pop() or "", next(filter(pa.types.is_floating, types), types[0])
