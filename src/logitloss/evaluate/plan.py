"""What a run is to do, before a row of it is read: which columns, keys of which types, logits of how many classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.check import PAIR, Checker, Columns
from logitloss.evaluate.input.read import Part


class Readable(Protocol):
    """What a source has, be it a file or a stream."""

    name: str
    checker: Checker
    classes: int | None

    def parts(self) -> list[Part]:
        """The pieces that are read by themselves, in order."""
        ...

    def batches(self, part: Part) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The record batches of a piece, each with the number of its first row."""
        ...


@dataclass(frozen=True)
class Plan:
    """What holds for all parts: the types of the keys, and the length of a list of logits, None where it is none."""

    key_types: tuple[pa.DataType, ...]
    classes: int | None


def columns_of(
    logits: str | Sequence[str],
    labels: str | Sequence[str],
    by: str | Sequence[str],
    weights: str | None,
    probabilities: bool,
    skip_invalid: bool,
    cluster: str | None = None,
) -> Columns:
    """The columns that a caller named, each once."""
    xs, zs, keys = ((one,) if isinstance(one, str) else tuple(one) for one in (logits, labels, by))
    if not xs or len(xs) != len(zs):
        raise InputError(
            f"got {len(xs)} columns of logits and {len(zs)} of labels; name one of labels for each of logits"
        )
    used = [*zip(xs, zs, strict=True)]
    if set(xs) & set(zs) or len(set(used)) < len(used) or len(set(keys)) < len(keys) or weights in (*xs, *zs):
        weighed = f", weights {weights!r}" if weights else ""
        what = (xs[0], zs[0]) if len(xs) == 1 else (list(xs), list(zs))
        raise InputError(
            f"columns named twice: logits {what[0]!r}, labels {what[1]!r}{weighed}, by {list(keys)!r}; name each once"
        )
    if len(xs) > 1 and PAIR in keys:
        raise InputError(f"by {PAIR!r}: several columns of logits are grouped by a key of that name; rename the column")
    return Columns(tuple(used), keys, weights, probabilities, skip_invalid, cluster)


def plan_of(opened: Sequence[Readable], columns: Columns, others: Sequence[Readable] = ()) -> Plan:
    """The plan for these sources; for others beside them, the classes are to be the same."""
    return Plan(tuple(_key_types(opened, len(columns.grouping))), _classes([*opened, *others]))


def _classes(opened: Sequence[Readable]) -> int | None:
    """The length of the first list of logits; None where the logits are numbers."""
    first = opened[0]
    for source in opened:
        if (source.classes is None) != (first.classes is None):
            got, expected = ("numbers", "lists") if source.classes is None else ("lists", "numbers")
            raise InputError(
                f"{source.name}: column {source.checker.columns.pairs[0][0]!r}: got {got}, expected {expected} as in "
                f"{first.name}; score these files apart"
            )
    return first.classes


def _key_types(opened: Sequence[Readable], columns: int) -> list[pa.DataType]:
    """The type of each key, text where the files differ; a folder that says nothing of a key is of any type."""
    kinds = [{source.checker.key_types()[i] for source in opened} - {pa.null()} for i in range(columns)]
    return [kind.pop() if len(kind) == 1 else pa.string() for kind in kinds]
