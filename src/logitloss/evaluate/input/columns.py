"""Which columns are what, and where a schema has them."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from logitloss.evaluate.errors import InputError

PAIR = "labels"  # the key that tells several pairs of columns apart
# Marks of a column that came without a type, in the metadata of its field.
CELLS = {b"logitloss": b"cells"}  # the cells of a CSV, the values of JSON: text, that may stand for anything
FOLDER = {b"logitloss": b"folder"}  # the one value that a folder's name gives: numbers too, but as a key always text

Names = str | Sequence[str]
Chosen = Sequence[tuple[tuple[str, ...], pa.Field]]  # for each column the way to it through structs, and its field


@dataclass(frozen=True)
class Columns:
    """Which columns are what.

    `pairs` are columns of logits, each with its column of labels. With `probabilities` they hold these instead of
    logits. With `skip_invalid` rows that cannot be scored are counted and left out, else they are an error.
    """

    pairs: tuple[tuple[str, str], ...]
    by: tuple[str, ...] = ()
    weights: str | None = None
    cluster: str | None = None
    probabilities: bool = False
    skip_invalid: bool = False

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers, each once."""
        return list(dict.fromkeys([*sum(self.pairs, ()), *([self.weights] if self.weights else [])]))

    @property
    def grouping(self) -> list[str]:
        """The columns whose values are keys: those to group by, and the cluster's, last."""
        return [*self.by, *([self.cluster] if self.cluster else [])]

    @property
    def names(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.numbers, *self.grouping]))

    @property
    def keys(self) -> tuple[str, ...]:
        """What the groups are named by: with several pairs also by the labels' column."""
        return (PAIR, *self.by) if len(self.pairs) > 1 else self.by


def columns_of(
    logits: Names | None,
    probabilities: Names | None,
    labels: Names,
    by: Names = (),
    weights: str | None = None,
    cluster: str | None = None,
    skip_invalid: bool = False,
) -> Columns:
    """The columns that a caller named; `InputError` where they make no sense, whatever the files hold."""
    if (logits is None) == (probabilities is None):
        raise InputError("name a column of logits or one of probabilities, and not both")
    what, predictions = ("logits", logits) if logits is not None else ("probabilities", probabilities)
    xs, zs, keys = _named(what, predictions), _named("labels", labels), _named("by", by)
    for name, column in (("weights", weights), ("cluster", cluster)):
        if column is not None:
            _named(name, column)
    if not xs or len(xs) != len(zs):
        raise InputError(
            f"got {len(xs)} columns of {what} and {len(zs)} of labels; name one of labels for each of {what}"
        )
    pairs = tuple(zip(xs, zs, strict=True))
    repeated = len(set(pairs)) < len(pairs) or len(set(keys)) < len(keys)
    if set(xs) & set(zs) or repeated or weights in (*xs, *zs) or cluster in xs:
        others = "".join(f", {name} {c!r}" for name, c in (("weights", weights), ("cluster", cluster)) if c)
        x, z = (xs[0], zs[0]) if len(xs) == 1 else (list(xs), list(zs))
        raise InputError(f"columns named twice: {what} {x!r}, labels {z!r}{others}, by {list(keys)!r}; name each once")
    if len(xs) > 1 and PAIR in keys:
        raise InputError(f"by {PAIR!r}: several columns of {what} are grouped by a key of that name; rename the column")
    return Columns(pairs, keys, weights, cluster, probabilities is not None, skip_invalid)


def _named(what: str, given: Any) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            hint = "; name the column that holds them in probabilities=" if isinstance(name, bool) else ""
            raise InputError(f"{what}: got {name!r} of type {type(name).__name__}, expected the name of a column{hint}")
        if not name:
            raise InputError(f"{what}: got an empty name, expected that of a column; name one, or leave {what} out")
    return names


def selected(source: str, schema: pa.Schema, names: Iterable[str], folders: Iterable[str] = ()) -> Chosen:
    """The columns of these names; a column that is named so counts before one in a struct, as `struct.column`."""
    found = []
    for name in names:
        if schema.names.count(name) > 1:
            raise InputError(f"{source}: {schema.names.count(name)} columns are named {name!r}; rename all but one")
        way = _way({field.name: field for field in schema}, name)
        if not way:
            raise missing(source, name, [*schema.names, *folders])
        field = way[-1]
        found.append((tuple(step.name for step in way), pa.field(name, field.type, metadata=field.metadata)))
    return found


def _way(fields: dict[str, pa.Field], name: str) -> list[pa.Field]:
    if name in fields:
        return [fields[name]]
    for dot in (i for i, c in enumerate(name) if c == "."):
        field = fields.get(name[:dot])
        if field is not None and pa.types.is_struct(field.type):
            rest = _way({inner.name: inner for inner in field.type.fields}, name[dot + 1 :])
            if rest:
                return [field, *rest]
    return []


def missing(source: str, name: str, there: Sequence[str]) -> InputError:
    """The error for a column that is not there, with the one that may be meant."""
    by_lower = {one.strip().lower(): one for one in there}
    near = by_lower.get(name.strip().lower()) or next(iter(difflib.get_close_matches(name, there, 1)), None)
    hint = f"; did you mean {near!r}?" if near else ""
    most = 50  # names, of what may be thousands
    listed = ", ".join(map(repr, there[:most])) + (f" and {len(there) - most} more" if len(there) > most else "")
    text = f"{source}: no column {name!r}; the columns are {listed}{hint}"
    for mark, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(there) == 1 and mark in there[0]:
            text += (
                f"; the values seem to be separated by {called}: write it with commas, or give "
                f"--sql \"from read_csv('{source}', delim='{mark if mark != chr(9) else chr(92) + 't'}')\""
            )
    return InputError(text)
