"""Raw batches in, checked ones out: whatever is wrong is named by file, column and row.

Every value is checked before it is handed on, so the arithmetic behind never meets a null, a nan or a label of 2.
Rows are counted from 1 in each file; a CSV's header and blank lines do not count.
"""

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.input.columns import CELLS, FOLDER, Columns
from logitloss.evaluate.input.keys import encode, kind_of
from logitloss.evaluate.input.numbers import is_list, is_number, is_real, plain_type, to_numbers, to_rows

_MOST_WEIGHT = 1e100  # so that no square of a weight is infinite
_SUM = 1e-3  # how far from 1 the probabilities of a row may add up; those in float16 do not do better
_MEND = "correct the value or leave the row out"
_ENOUGH_ROWS = 10  # to tell labels that are coded otherwise from a few wrong ones


@dataclass(frozen=True)
class Raw:
    """A record batch as it was read, and where it came from: files' names, each with a first row here and there."""

    batch: pa.RecordBatch
    origins: Sequence[tuple[int, str, int]]  # the row in the batch, the file, the row in the file

    def locate(self, row: int) -> tuple[str, int]:
        """The file and the row in it, counted from 0, of a row of the batch."""
        start, name, first = self.origins[bisect.bisect_right(self.origins, row, key=lambda one: one[0]) - 1]
        return name, first + row - start


class Checker:
    """What is expected of the rows of all files; `likes` are the types of the keys where some files have types."""

    def __init__(self, columns: Columns, classes: int | None = None, likes: Sequence[pa.DataType | None] = ()):
        """Logits are lists of so many `classes`, or numbers."""
        self._columns, self._classes = columns, classes
        self._likes = dict(zip(columns.grouping, likes, strict=False))

    def batches(self, raw: Raw, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """The rows of each pair of columns, of all rows of the batch or some."""
        rows = raw.batch.slice(start, None if stop is None else stop - start)
        columns = self._columns
        keys = {name: self._keys(raw, rows, start, name) for name in columns.grouping}
        by = [keys[name] for name in columns.by]
        for logits, labels in columns.pairs:
            named = []
            if len(columns.pairs) > 1:
                named = [pa.DictionaryArray.from_arrays(np.zeros(len(rows), np.int32), pa.array([f"s:{labels}"]))]
            yield self._pair(raw, rows, start, logits, labels, [*named, *by], keys.get(columns.cluster or ""))

    def _keys(self, raw: Raw, rows: pa.RecordBatch, start: int, name: str) -> pa.DictionaryArray:
        column, field = rows[name], rows.schema.field(name)
        like = self._likes.get(name) if is_marked(field, CELLS) else None
        try:
            return encode(column, field.metadata, cells=is_marked(field, CELLS), like=like)
        except pa.ArrowInvalid:
            row = next(i for i, value in enumerate(column.to_pylist()) if value is not None and not _is_utf8(value))
            raise self._bad_value(raw, start + row, name, "UTF-8 text") from None

    def _pair(
        self,
        raw: Raw,
        rows: pa.RecordBatch,
        start: int,
        logits: str,
        labels: str,
        keys: list[pa.DictionaryArray],
        cluster: pa.DictionaryArray | None,
    ) -> Batch:
        classes, columns = self._classes, self._columns
        z, w = to_numbers(rows[labels], words=True), None
        x = to_numbers(rows[logits]) if classes is None else to_rows(rows[logits], classes)
        if x.dtype == np.float16:
            x = x.astype(np.float32)  # so that the losses are
        bad = {logits: self._bad_logits(x), labels: self._bad_labels(z)}
        if columns.weights:
            w = to_numbers(rows[columns.weights])
            bad[columns.weights] = ~((w >= 0) & (w <= _MOST_WEIGHT))
        any_bad, skipped = functools.reduce(np.logical_or, bad.values()), {}
        if any_bad.any():
            coded = _coding(z, classes) if bad[labels].any() else ""
            if not columns.skip_invalid or (coded and len(z) >= _ENOUGH_ROWS):
                row = int(np.argmax(bad[labels] if coded and columns.skip_invalid else any_bad))
                column = next(name for name, is_bad in bad.items() if is_bad[row])
                hint = coded if column == labels else self._hint(x) if column == logits else ""
                raise self._bad_value(raw, start + row, column, self._expected(column), hint.format(column))
            numbers = {logits: x, labels: z} | ({columns.weights: w} if columns.weights and w is not None else {})
            skipped = _reasons(rows, numbers, bad)
            good = ~any_bad
            x, z, w = x[good], z[good], w if w is None else w[good]
            keys = [one.filter(pa.array(good)) for one in keys]
            cluster = cluster if cluster is None else cluster.filter(pa.array(good))
        if classes is not None and z.dtype.kind == "f":
            z = z.astype(np.int64)
        if not columns.probabilities:
            like = (x >= 0) & (x <= 1)
            if classes is not None:
                like = like.all(axis=1) & (np.abs(x.sum(axis=1) - 1) <= _SUM)
            return Batch(x, z, w, keys, cluster, skipped, between=int(np.count_nonzero(like)))
        zeros, ones = int(np.count_nonzero(x == 0)), int(np.count_nonzero(x == 1))
        x = x.astype(np.float64)  # which has the digits that a float32 close to 1 still has
        with np.errstate(divide="ignore"):
            if classes is None:
                from scipy import special  # takes a while, and is needed here alone

                x = special.logit(x)
            else:
                x = np.log(x)
        return Batch(x, z, w, keys, cluster, skipped, zeros, ones)

    def _bad_logits(self, x: np.ndarray) -> np.ndarray:
        # nan fails every comparison, and the largest or smallest of a list with a nan is nan.
        if not self._columns.probabilities:
            return np.isnan(x if x.ndim == 1 else x.max(axis=1, initial=-np.inf))
        if x.ndim == 1:
            return ~((x >= 0) & (x <= 1))
        low, high = x.min(axis=1, initial=np.inf), x.max(axis=1, initial=-np.inf)
        return ~((low >= 0) & (high <= 1) & (np.abs(x.sum(axis=1, dtype=np.float64) - 1) <= _SUM))

    def _bad_labels(self, z: np.ndarray) -> np.ndarray:
        if z.dtype == bool:
            return np.zeros(len(z), bool)
        if self._classes is None:
            return ~((z >= 0) & (z <= 1))
        return ~((z >= 0) & (z < self._classes) & (z == np.floor(z) if z.dtype.kind == "f" else True))

    def _expected(self, column: str) -> str:
        classes, pairs = self._classes, self._columns.pairs
        if column == self._columns.weights:
            return f"a number from 0 to {_MOST_WEIGHT:g}"
        if column in dict(pairs):
            if classes is not None:
                what = "probabilities that sum to 1" if self._columns.probabilities else "numbers"
                return f"a list of {classes} {what}, one for each class, as most lists have"
            return "a number from 0 to 1" if self._columns.probabilities else "a number"
        return (
            "a number from 0 to 1"
            if classes is None
            else f"a class from 0 to {classes - 1}, the index of a number in the list"
        )

    def _hint(self, x: np.ndarray) -> str:
        """What the numbers seem to be, if no probabilities; with braces for the column's name."""
        x = x[np.isfinite(x)]
        if not self._columns.probabilities or not len(x):
            return ""
        if x.min() < 0 or x.max() > 100:
            return "these look like logits: name them with --logits {0} (logits={0!r}) and not as probabilities"
        if x.max() > 1 and (x > 1).mean() > 0.01:
            return 'these look like percentages: divide them by 100, such as with --sql "select *, {0} / 100 as p ..."'
        return ""

    def _bad_value(self, raw: Raw, row: int, column: str, expected: str, hint: str = "") -> InputError:
        name, in_file = raw.locate(row)
        return InputError(
            f"{name}: column {column!r}, row {in_file + 1} (the first row of data is row 1): got "
            f"{_shown(raw.batch[column][row])}, expected {expected}; {hint or _MEND}"
        )


def check_types(source: str, schema: pa.Schema, columns: Columns) -> None:
    """Refuse columns of types that are no use; those without types are seen to row by row."""

    def bad(column: str, expected: str) -> InputError:
        # The row is named as for a bad value: here every row is bad, so the first is row 1.
        return InputError(
            f"{source}: column {column!r}, row 1 (the first row of data is row 1): got a value of type "
            f"{schema.field(column).type}, as in the whole column, expected {expected}; name another column, or cast "
            "this one"
        )

    def typed(column: str) -> pa.DataType | None:
        field = schema.field(column)
        untyped = is_marked(field, FOLDER) or (is_marked(field, CELLS) and not is_number(field.type))
        return None if untyped and not is_list(field.type) else plain_type(field.type)

    lists = has_lists(schema, columns)
    for logits, labels in columns.pairs:
        x, z = typed(logits), typed(labels)
        inner = plain_type(x.value_type) if x is not None and is_list(x) else x
        if (x is not None and is_list(x)) != lists or (inner is not None and not is_real(inner)):
            # Whole numbers too: in a file with types they are most often labels, and a swap would be silent.
            raise bad(logits, f"{'lists of ' if lists else ''}float16, float32 or float64")
        if lists and z is not None and not pa.types.is_integer(z) and not is_marked(schema.field(labels), CELLS):
            raise bad(labels, "an integer, the index of a class, because the logits are lists")
        if z is not None and not is_number(z):
            raise bad(labels, "bool, an integer or a float")
    if columns.weights:
        w = typed(columns.weights)
        if w is not None and not is_number(w):
            raise bad(columns.weights, "an integer or a float")
    for column in columns.grouping:
        if kind_of(schema.field(column).type, schema.field(column).metadata) is None:
            raise bad(column, "text, numbers or dates to group by")


def has_lists(schema: pa.Schema, columns: Columns) -> bool:
    """Whether logits are lists; those of the first pair, and then of all."""
    return is_list(plain_type(schema.field(columns.pairs[0][0]).type))


def is_marked(field: pa.Field, mark: Mapping[bytes, bytes]) -> bool:
    """Whether the field has the mark."""
    return (field.metadata or {}).get(b"logitloss") == mark[b"logitloss"]


def _coding(z: np.ndarray, classes: int | None) -> str:
    """What the labels seem to be coded as, and the remedy, with braces for the column's name; "" for nothing else."""
    values = set(np.unique(z[~np.isnan(z)]).tolist())
    if classes is not None:
        if len(values) > 1 and min(values) >= 1 and max(values) == classes:
            return (
                f"the classes look like 1 to {classes}: count them from 0, such as with "
                '--sql "select *, {0} - 1 as class ..."'
            )
        return ""
    for coded, formula in (({-1, 1}, "({0} + 1) / 2"), ({1, 2}, "{0} - 1")):
        if values and values <= coded:
            low, high = sorted(coded)
            return (
                f"the labels look like {low} and {high}: make them 0 and 1, such as with "
                f'--sql "select *, {formula} as label ..."'
            )
    return ""


def _reasons(rows: pa.RecordBatch, numbers: Mapping[str, np.ndarray], bad: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many rows are left out for what; each counts once, by the first column that is bad."""
    found: dict[str, int] = {}
    counted = np.zeros(len(rows), bool)
    for column, is_bad in bad.items():
        mine, got, x = is_bad & ~counted, rows[column], numbers[column]
        counted |= is_bad
        missing = pc.is_null(got)
        if pa.types.is_binary(got.type):
            missing = pc.or_(missing, pc.fill_null(pc.equal(pc.binary_length(got), 0), False))
        missing = missing.to_numpy(zero_copy_only=False)
        no_number = np.isnan(x.reshape(len(x), -1)).any(axis=1) if x.dtype.kind == "f" else np.zeros(len(x), bool)
        other = "is no number" if x.ndim == 1 else "is no list of as many numbers"
        for reason, rows_of in (
            ("is missing", missing),
            (other, no_number & ~missing),
            ("is out of range", ~no_number & ~missing),
        ):
            if count := int(np.count_nonzero(mine & rows_of)):
                found[f"{column} {reason}"] = count
    return found


def _is_utf8(value: Any) -> bool:
    try:
        return isinstance(value, str) or bool(value.decode()) or True
    except UnicodeDecodeError:
        return False


def _shown(value: pa.Scalar) -> str:
    """The value as an error text quotes it, short and printable."""
    got = value.as_py()
    if got is None:
        return "null"
    if isinstance(got, bytes):
        got = got.decode(errors="backslashreplace")
        return "an empty cell" if not got else repr(got if len(got) <= 60 else got[:60] + "...")
    if isinstance(got, list):
        bad = next((i for i, number in enumerate(got) if number is None or math.isnan(number)), None)
        where = "" if bad is None else f" with {'null' if got[bad] is None else 'nan'} for class {bad}"
        return f"a list of {len(got)}{where}"
    return repr(got)
