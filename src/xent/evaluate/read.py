"""Files in, checked NumPy arrays out, batch by batch; whatever is wrong is named by file, column and row.

Every value is checked before it is handed on, so the arithmetic behind never meets a null, a nan or a label of 2.
Rows are counted from 1 in each file; a CSV's header and blank lines do not count.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.fs

from xent.evaluate.columns import first_failure, is_list, key_type_of, shown, to_keys, to_numbers, to_rows

# Large enough that the calls for each of many groups do not count, and only megabytes. Lists of logits make the rows
# fewer, so that the logits are not more.
BATCH_ROWS = 1 << 20
CSV_BLOCK_BYTES = 1 << 22  # also the longest line a CSV may have

_FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".csv": "CSV",
}


class InputError(ValueError):
    """Something that cannot be scored. The text is one line: where, what was expected, what was got, what to do."""


@dataclass(frozen=True)
class Batch:
    """Rows of one file: logits, of shape (rows,) or (rows, classes), labels, and an Arrow array for each key column."""

    logits: np.ndarray
    labels: np.ndarray
    keys: list[pa.Array]


class Source:
    """One file with the columns to read from it, opened and checked as far as its schema."""

    def __init__(self, path: Path, *, logits: str, labels: str, by: Sequence[str]):
        """Open the file; `InputError` if that is impossible, or a column is missing or of a type that is no use."""
        self.path, self.name = path, _printable(str(path))
        self.logits, self.labels, self.by = logits, labels, by
        try:
            self.form = _FORMATS[path.suffix.lower()]
        except KeyError:
            raise InputError(
                f"{self.name}: the name must end in one of {', '.join(_FORMATS)}, which says how to read it"
            ) from None
        head = self._head()
        with self._reading():
            self._fragment = self._file_format().make_fragment(str(path), pyarrow.fs.LocalFileSystem())
            self.schema = self._fragment.physical_schema
            columns = self.schema.names
        for column in dict.fromkeys([logits, labels, *by]):
            if column not in columns:
                raise InputError(f"{self.name}: no column {column!r}; the columns are {', '.join(map(repr, columns))}")
            if columns.count(column) > 1:
                raise InputError(
                    f"{self.name}: {columns.count(column)} columns are named {column!r}; rename all but one"
                )
        if self.form != "CSV":
            self._check_types()
        self.bytes = path.stat().st_size
        self.expected_rows = max(1, self._count_rows(head))
        self.classes = self._count_classes() if is_list(self.schema.field(logits).type) else None

    def key_types(self) -> list[pa.DataType]:
        """The type in which each key column would be grouped, were this the only file."""
        return [key_type_of(self.schema.field(column).type) for column in self.by]

    def batches(self, key_types: Sequence[pa.DataType], classes: int | None) -> Iterator[Batch]:
        """The rows in order, with the keys cast to `key_types`; each logit a list of `classes`, or one number if None.

        Raises:
            InputError: at the first row that cannot be scored, or where the file cannot be read on.
        """
        rows = 0
        for batch in self._scan():
            yield self._checked(batch, key_types, classes, rows)
            rows += batch.num_rows
        if not rows:
            raise InputError(f"{self.name}: has no rows, and no rows have no mean; leave the file out")

    def _scan(self) -> Iterator[pa.RecordBatch]:
        with self._reading():
            if self.form == "CSV":
                self._check_quotes()
            columns = list(dict.fromkeys([self.logits, self.labels, *self.by]))
            # Two batches ahead keep reading and scoring busy at once; more would only hold memory.
            size = max(1, BATCH_ROWS // (self.classes or 1))
            for batch in self._fragment.scanner(columns=columns, batch_size=size, batch_readahead=2).to_batches():
                batch.validate(full=True)  # Arrow files are taken as they are: offsets and text may be damaged
                if batch.num_rows:
                    yield batch

    def _checked(
        self, batch: pa.RecordBatch, key_types: Sequence[pa.DataType], classes: int | None, start: int
    ) -> Batch:
        logits, labels = batch[self.logits], batch[self.labels]
        z = to_numbers(labels, words=True)
        if classes is None:
            x, largest = to_numbers(logits, words=False), 1
            a_logit, a_label = "a number", "a number from 0 to 1"
        else:
            x, largest = to_rows(logits, classes), classes - 1
            a_logit = f"a list of {classes} numbers, as many as the first list has"
            a_label = f"a class from 0 to {largest}, the index of a number in the list"
        bad_x = np.isnan(x if classes is None else x.max(axis=1))  # the largest of a list with a nan is nan
        bad_z = np.zeros_like(bad_x) if z.dtype == bool else ~((z >= 0) & (z <= largest))  # a nan fails both
        if (bad_x | bad_z).any():
            row = int(np.argmax(bad_x | bad_z))
            if bad_x[row]:
                raise self._bad_value(self.logits, start + row, logits[row], a_logit)
            raise self._bad_value(self.labels, start + row, labels[row], a_label)
        keys = []
        for column, key_type in zip(self.by, key_types, strict=True):
            try:
                keys.append(to_keys(batch[column], key_type))
            except pa.ArrowInvalid:
                row = first_failure(batch[column], lambda part, to=key_type: to_keys(part, to))
                raise self._bad_value(column, start + row, batch[column][row], "UTF-8 text") from None
        return Batch(x, z, keys)

    def _bad_value(self, column: str, row: int, got: pa.Scalar, expected: str) -> InputError:
        return InputError(
            f"{self.name}: column {column!r}, row {row + 1} (the first row of data is row 1): got {shown(got)}, "
            f"expected {expected}; correct the value or leave the row out"
        )

    def _bad_type(self, column: str, expected: str) -> InputError:
        # The row is named as for a bad value: here every row is bad, so the first is row 1.
        return InputError(
            f"{self.name}: column {column!r}, row 1 (the first row of data is row 1): got a value of type "
            f"{self.schema.field(column).type}, as in the whole column, "
            f"expected {expected}; name another column, or cast this one"
        )

    def _check_types(self) -> None:
        logits, labels = self.schema.field(self.logits).type, self.schema.field(self.labels).type
        lists = is_list(logits)
        if not pa.types.is_floating(logits.value_type if lists else logits):
            # Whole numbers too: in a file with types they are most often labels, and a swap would be silent.
            raise self._bad_type(self.logits, f"{'lists of ' if lists else ''}float16, float32 or float64")
        if lists and not pa.types.is_integer(labels):
            raise self._bad_type(self.labels, "an integer, the index of a class, because the logits are lists")
        if not (pa.types.is_floating(labels) or pa.types.is_integer(labels) or pa.types.is_boolean(labels)):
            raise self._bad_type(self.labels, "bool, an integer or a float")
        for column, key_type in zip(self.by, self.key_types(), strict=True):
            try:
                pa.nulls(0, self.schema.field(column).type).cast(key_type)
            except pa.ArrowException:
                raise self._bad_type(column, "text, numbers or dates to group by") from None

    def _head(self) -> bytes:
        if not self.path.exists():
            raise InputError(f"{self.name}: there is no such file; check the path")
        if not self.path.is_file():
            raise InputError(f"{self.name}: is not a file; if it is a folder, name the files in it")
        try:
            with open(self.path, "rb") as file:
                head = file.read(1 << 16)
        except OSError as error:
            raise InputError(f"{self.name}: cannot be opened: {error.strerror}; check its permissions") from error
        if not head:
            raise InputError(f"{self.name}: is empty (0 bytes); leave it out, or write it again")
        return head

    def _file_format(self) -> ds.FileFormat:
        if self.form == "Parquet":
            # Without pre_buffer, which keeps the bytes of the whole file in memory until its last row.
            options = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=False)
            return ds.ParquetFileFormat(default_fragment_scan_options=options)
        if self.form == "Arrow":
            return ds.IpcFileFormat()
        # Bytes, because type inference looks at the first block alone: what a later row means must not depend on it.
        texts = dict.fromkeys([self.logits, self.labels, *self.by], pa.binary())
        return ds.CsvFileFormat(
            read_options=pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=texts),
        )

    def _check_quotes(self) -> None:
        """Refuse an open quote, which makes the parser take the rest of the file for one value, without a word."""
        with open(self.path, "rb") as file:
            quotes = sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b""))
        if quotes % 2:
            raise InputError(
                f"{self.name}: cannot be read as CSV: it has an odd number of double quotes, so a quoted value never "
                'ends; the file may be truncated, or a quote in a value not written as ""'
            )

    def _count_rows(self, head: bytes) -> int:
        """The rows by the file's own account; a CSV has none, so an estimate from the length of its first lines."""
        if self.form == "CSV":
            return self.bytes * head.count(b"\n") // len(head)
        with self._reading():
            return self._fragment.count_rows()

    def _count_classes(self) -> int:
        """The length of the first list; 0 for a file without rows."""
        with self._reading():
            head = self._fragment.scanner(columns=[self.logits], batch_size=1, batch_readahead=2).head(1)
            head.validate(full=True)
        if not len(head):
            return 0
        first = head[0][0]
        if not first.is_valid or not len(first):
            raise self._bad_value(self.logits, 0, first, "a list of numbers, one for each class")
        return len(first)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        # Whatever its C++ readers meet in a damaged file, PyArrow raises as one of these.
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise InputError(f"{self.name}: cannot be read as {self.form}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    """PyArrow's text as one short line, without the path it repeats and with the rows counted as they are here."""
    text = _printable(" ".join(str(error).split()))
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if ragged:
        line, expected, got = map(int, ragged.groups())
        return (
            f"row {line - 1} (the first row of data is row 1) has {got} values, expected {expected} as in the header; "
            "correct the row or leave it out"
        )
    text = re.sub(r"^Could not open \w+ input source '.*?': (Invalid: )?", "", text)
    return f"{text[:200].rstrip('.')}; the file may be truncated or damaged"


def _printable(text: str) -> str:
    """The text with what a terminal would obey, or could not show, as escapes."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
