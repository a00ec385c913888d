"""Record batches in, checked NumPy arrays out: whatever is wrong is named by file, column and row.

Every value is checked before it is handed on, so the arithmetic behind never meets a null, a nan or a label of 2.
Rows are counted from 1 in each file; a CSV's header and blank lines do not count.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.columns import (
    constant,
    first_failure,
    is_list,
    key_type_of,
    shown,
    to_keys,
    to_numbers,
    to_rows,
)

PAIR = "labels"  # the key that tells several pairs of columns apart
_MOST_WEIGHT = 1e100  # so that no square of a weight is infinite


@dataclass(frozen=True)
class Columns:
    """Which columns of each file are what.

    `pairs` are columns of logits, each with its column of labels. With `probabilities` they hold these instead of
    logits. With `skip_invalid` rows that cannot be scored are counted and left out, else they are an error.
    """

    pairs: tuple[tuple[str, str], ...]
    by: tuple[str, ...] = ()
    weights: str | None = None
    probabilities: bool = False
    skip_invalid: bool = False
    cluster: str | None = None

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers, each once."""
        return list(dict.fromkeys([*sum(self.pairs, ()), *([self.weights] if self.weights else [])]))

    @property
    def names(self) -> list[str]:
        """All columns, each once."""
        return list(dict.fromkeys([*self.numbers, *self.grouping]))

    @property
    def grouping(self) -> tuple[str, ...]:
        """The columns whose values tell rows apart: those to group by, and that of the clusters."""
        return self.by if self.cluster is None else (*self.by, self.cluster)

    @property
    def keys(self) -> tuple[str, ...]:
        """What the groups are named by: with several pairs also by the labels' column."""
        return (PAIR, *self.by) if len(self.pairs) > 1 else self.by


@dataclass(frozen=True)
class Batch:
    """Rows of one file: logits, of shape (rows,) or (rows, classes), and an Arrow array for each key column.

    `skipped` rows were left out before; `zeros` and `ones` are the probabilities that were exactly 0 and 1.
    """

    logits: np.ndarray
    labels: np.ndarray
    weights: np.ndarray | None
    keys: list[pa.DictionaryArray]
    skipped: int
    zeros: int
    ones: int
    cluster: pa.DictionaryArray | None = None


class Checker:
    """What is expected of the columns of one file. `InputError` if a column is missing or of a type that is no use."""

    def __init__(self, name: str, schema: pa.Schema, columns: Columns, constants: Mapping[str, Any], *, text: bool):
        """Check the schema; `constants` are columns with one value for the whole file, `text` says it has no types."""
        self.name, self.columns = name, columns
        self.constants = {key: value for key, value in constants.items() if key not in schema.names}
        self._schema = schema
        for column in columns.names:
            if column in self.constants and column in columns.grouping and column not in columns.numbers:
                continue
            if column not in schema.names:
                there = ", ".join(map(repr, [*schema.names, *self.constants]))
                raise InputError(f"{name}: no column {column!r}; the columns are {there}")
            if schema.names.count(column) > 1:
                raise InputError(
                    f"{name}: {schema.names.count(column)} columns are named {column!r}; rename all but one"
                )
        if not text:
            self._check_types()

    def key_types(self) -> list[pa.DataType]:
        """The type in which each column to group by would be grouped, were this the only file."""
        return [
            pa.scalar(self.constants[c]).type if c in self.constants else key_type_of(self._schema.field(c).type)
            for c in self.columns.grouping
        ]

    def lists(self) -> bool:
        """Whether logits are lists; those of the first pair, and then of all."""
        return is_list(self._schema.field(self.columns.pairs[0][0]).type)

    def batches(
        self, batch: pa.RecordBatch, start: int, key_types: Sequence[pa.DataType], classes: int | None
    ) -> Iterator[Batch]:
        """The rows of each pair, with the keys cast to `key_types` and each logit a list of `classes`, or a number."""
        keys = [
            self._keys(batch, start, *one)
            for one in zip(self.columns.grouping, key_types[-len(self.columns.grouping) :], strict=False)
        ]
        cluster = keys.pop() if self.columns.cluster is not None else None
        for logits, labels in self.columns.pairs:
            named = [constant(labels, len(batch))] if len(self.columns.pairs) > 1 else []
            yield self._pair(batch, start, logits, labels, classes, named + keys, cluster)

    def first_classes(self, first: pa.Scalar) -> int:
        """How many classes the first list of logits has."""
        if not first.is_valid or not len(first):
            raise self.bad_value(self.columns.pairs[0][0], 0, first, "a list of numbers, one for each class")
        return len(first)

    def bad_value(self, column: str, row: int, got: pa.Scalar, expected: str) -> InputError:
        """The error for a value in a row, counted from 0."""
        return InputError(
            f"{self.name}: column {column!r}, row {row + 1} (the first row of data is row 1): got {shown(got)}, "
            f"expected {expected}; correct the value or leave the row out"
        )

    def _keys(self, batch: pa.RecordBatch, start: int, column: str, key_type: pa.DataType) -> pa.DictionaryArray:
        if column in self.constants:
            return to_keys(pa.array([self.constants[column]] * len(batch)), key_type)
        try:
            return to_keys(batch[column], key_type)
        except pa.ArrowInvalid:
            row = first_failure(batch[column], lambda part: to_keys(part, key_type))
            raise self.bad_value(column, start + row, batch[column][row], "UTF-8 text") from None

    def _pair(
        self, batch: pa.RecordBatch, start: int, logits: str, labels: str, classes: int | None, keys: list, cluster: Any
    ) -> Batch:
        z, w = to_numbers(batch[labels], words=True), None
        if classes is None:
            x, largest = to_numbers(batch[logits], words=False), 1
            a_logit, a_label = "a number", "a number from 0 to 1"
        else:
            x, largest = to_rows(batch[logits], classes), classes - 1
            a_logit = f"a list of {classes} numbers, as many as the first list has"
            a_label = f"a class from 0 to {largest}, the index of a number in the list"
        if self.columns.probabilities:
            a_logit = a_label
        if x.dtype == np.float16:
            x = x.astype(np.float32)  # so that the losses are
        # Of each column, which rows are bad; nan fails every comparison, and the largest of a list with a nan is nan.
        bad = [np.isnan(x if classes is None else x.max(axis=1, initial=-np.inf)), np.zeros(len(batch), bool)]
        if self.columns.probabilities:
            bad[0] = ~((x >= 0) & (x <= 1))
        if z.dtype != bool:
            bad[1] = ~((z >= 0) & (z <= largest))
        expected = [(logits, a_logit), (labels, a_label)]
        if self.columns.weights:
            w = to_numbers(batch[self.columns.weights], words=False)
            bad.append(~((w >= 0) & (w <= _MOST_WEIGHT)))
            expected.append((self.columns.weights, f"a number from 0 to {_MOST_WEIGHT:g}"))
        any_bad = functools.reduce(np.logical_or, bad)
        skipped = int(np.count_nonzero(any_bad))
        if skipped and not self.columns.skip_invalid:
            row = int(np.argmax(any_bad))
            column, wanted = next(one for one, is_bad in zip(expected, bad, strict=True) if is_bad[row])
            raise self.bad_value(column, start + row, batch[column][row], wanted)
        if skipped:
            good = ~any_bad
            x, z, w = x[good], z[good], w if w is None else w[good]
            keys = [one.filter(pa.array(good)) for one in keys]
            cluster = cluster if cluster is None else cluster.filter(pa.array(good))
        zeros = ones = 0
        if self.columns.probabilities:
            zeros, ones = int(np.count_nonzero(x == 0)), int(np.count_nonzero(x == 1))
            from scipy import special  # takes a while, and is needed here alone

            x = special.logit(x.astype(np.float64))  # which has the digits that a float32 close to 1 still has
        return Batch(x, z, w, keys, skipped, zeros, ones, cluster)

    def _bad_type(self, column: str, expected: str) -> InputError:
        # The row is named as for a bad value: here every row is bad, so the first is row 1.
        return InputError(
            f"{self.name}: column {column!r}, row 1 (the first row of data is row 1): got a value of type "
            f"{self._schema.field(column).type}, as in the whole column, "
            f"expected {expected}; name another column, or cast this one"
        )

    def _check_types(self) -> None:
        lists = self.lists()
        for logits, labels in self.columns.pairs:
            x, z = self._schema.field(logits).type, self._schema.field(labels).type
            if is_list(x) != lists or not pa.types.is_floating(x.value_type if lists else x):
                # Whole numbers too: in a file with types they are most often labels, and a swap would be silent.
                raise self._bad_type(logits, f"{'lists of ' if lists else ''}float16, float32 or float64")
            if lists and self.columns.probabilities:
                raise self._bad_type(logits, "float16, float32 or float64, because probabilities are not lists")
            if lists and not pa.types.is_integer(z):
                raise self._bad_type(labels, "an integer, the index of a class, because the logits are lists")
            if not _is_number(z):
                raise self._bad_type(labels, "bool, an integer or a float")
        if self.columns.weights and not _is_number(self._schema.field(self.columns.weights).type):
            raise self._bad_type(self.columns.weights, "an integer or a float")
        for column, key_type in zip(self.columns.grouping, self.key_types(), strict=True):
            try:
                if column not in self.constants:
                    pa.nulls(0, self._schema.field(column).type).cast(key_type)
            except pa.ArrowException:
                raise self._bad_type(column, "text, numbers or dates to group by") from None


def _is_number(type_: pa.DataType) -> bool:
    return pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_boolean(type_)
