"""Files in, record batches out, whatever the format and the file system; errors are one line that names the file."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.fs
import pyarrow.json

from logitloss.evaluate.errors import InputError, printable, said_by
from logitloss.evaluate.input.check import Checker, Columns
from logitloss.evaluate.input.columns import is_list

# Large enough that the calls for each interval and group do not count, and only megabytes. Lists of logits make the
# rows fewer, so that the logits are not more.
BATCH_ROWS = 1 << 20
CSV_BLOCK_BYTES = 1 << 22  # also the longest line that a CSV, or a file of JSON lines, may have
PART_ROWS = 1 << 25  # what one task reads of a Parquet file, which can be entered at any row group; fewer rows of lists

FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".orc": "ORC",
    ".csv": "CSV",
    ".jsonl": "JSON lines",
    ".ndjson": "JSON lines",
}


@dataclass(frozen=True)
class File:
    """Where a file is, and the columns that its folders' names add: all that a worker needs to open it."""

    path: str
    filesystem: pyarrow.fs.FileSystem = field(default_factory=pyarrow.fs.LocalFileSystem, repr=False, compare=False)
    constants: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""  # what errors call it, if not by its path

    def __str__(self) -> str:
        return printable(self.name or self.path)


@dataclass(frozen=True)
class Part:
    """A piece of a source that is read by itself: some row groups of a Parquet file, else all of it."""

    index: int
    groups: tuple[int, ...] | None
    first_row: int
    rows: int
    bytes: int


class Source:
    """One file with the columns to read from it, opened and checked as far as its schema."""

    def __init__(self, file: File, columns: Columns):
        """Open the file; `InputError` if that is impossible, or a column is missing or of a type that is no use."""
        self.file, self.columns, self.name = file, columns, str(file)
        try:
            self.form = FORMATS[os.path.splitext(file.path)[1].lower()]
        except KeyError:
            raise InputError(
                f"{self.name}: the name must end in one of {', '.join(FORMATS)}, which says how to read it"
            ) from None
        self._head = self._first_bytes()
        with self._reading():
            self._fragment = self._file_format().make_fragment(file.path, file.filesystem)
            self.schema = self._fragment.physical_schema
            _ = self.schema.names  # which may be no UTF-8
            if self.form == "JSON lines":
                self.schema = _widened(self.schema, columns)
        self.checker = Checker(self.name, self.schema, columns, file.constants, text=self.form == "CSV")
        self.bytes = self._info().size
        self.classes = self._count_classes() if self.checker.lists() else None

    def parts(self) -> list[Part]:
        """The pieces, in order."""
        with self._reading():
            if self.form != "Parquet":
                return [Part(0, None, 0, max(1, self._count_rows()), self.bytes)]
            groups = self._fragment.row_groups
            starts = [0, *itertools.accumulate(group.num_rows for group in groups)]
            size = max(1, PART_ROWS // (self.classes or 1))
            cuts = [i for i in range(1, len(groups)) if starts[i - 1] // size < starts[i] // size]
            return [
                Part(
                    i, tuple(range(a, b)), starts[a], starts[b] - starts[a], sum(g.total_byte_size for g in groups[a:b])
                )
                for i, (a, b) in enumerate(itertools.pairwise([0, *cuts, len(groups)]))
            ]

    def batches(self, part: Part) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The record batches of a part, each with the number of its first row; `InputError` where reading fails."""
        row = part.first_row
        before = self.fingerprint()
        for batch in self._scan(part):
            yield row, batch
            row += batch.num_rows
        if row == 0 and len(self.parts()) == 1:
            raise InputError(f"{self.name}: has no rows, and no rows have no mean; leave the file out")
        if self.fingerprint() != before:
            raise InputError(f"{self.name}: changed while it was read; score it when it is complete")

    def fingerprint(self) -> str:
        """What changes when the file does: its size, its time, and a hash of its first and last bytes."""
        try:
            info = self._info()
            with self.file.filesystem.open_input_file(self.file.path) as file:
                ends = file.read_at(1 << 16, 0) + file.read_at(1 << 16, max(0, info.size - (1 << 16)))
        except OSError as error:
            raise self._cannot_open(error) from error
        return f"{info.size} bytes, {info.mtime_ns}, {hashlib.blake2b(ends, digest_size=16).hexdigest()}"

    def _info(self) -> pyarrow.fs.FileInfo:
        return self.file.filesystem.get_file_info(self.file.path)

    def _scan(self, part: Part) -> Iterator[pa.RecordBatch]:
        with self._reading():
            if self.form == "CSV":
                self._check_quotes()
            columns = [name for name in self.columns.names if name in self.schema.names]
            fragment = self._fragment if part.groups is None else self._fragment.subset(row_group_ids=part.groups)
            # Two batches ahead keep reading and scoring busy at once; more would only hold memory.
            size = max(1, BATCH_ROWS // (self.classes or 1))
            options = {"columns": columns, "batch_size": size, "batch_readahead": 2}
            for batch in fragment.scanner(schema=self.schema, **options).to_batches():
                batch.validate(full=True)  # Arrow files are taken as they are: offsets and text may be damaged
                if batch.num_rows:
                    yield batch

    def _first_bytes(self) -> bytes:
        try:
            info = self._info()
            if info.type == pyarrow.fs.FileType.NotFound:
                raise InputError(f"{self.name}: there is no such file; check the path")
            if info.type == pyarrow.fs.FileType.Directory:
                raise InputError(f"{self.name}: is a folder, expected a file; name the folder without its ending")
            with self.file.filesystem.open_input_stream(self.file.path, compression=None) as file:
                head = file.read(1 << 16)
        except OSError as error:
            raise self._cannot_open(error) from error
        if not head:
            raise InputError(f"{self.name}: is empty (0 bytes); leave it out, or write it again")
        return head

    def _cannot_open(self, error: OSError) -> InputError:
        reason = os.strerror(error.errno) if error.errno else said_by(error)
        return InputError(f"{self.name}: cannot be opened: {reason}; check its permissions")

    def _file_format(self) -> ds.FileFormat:
        if self.form == "Parquet":
            # Without pre_buffer, which keeps the bytes of the whole file in memory until its last row.
            options = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=False)
            return ds.ParquetFileFormat(default_fragment_scan_options=options)
        if self.form == "Arrow":
            return ds.IpcFileFormat()
        if self.form == "ORC":
            return ds.OrcFileFormat()
        if self.form == "JSON lines":
            return ds.JsonFileFormat(read_options=pyarrow.json.ReadOptions(block_size=CSV_BLOCK_BYTES))
        # Bytes, because type inference looks at the first block alone: what a later row means must not depend on it.
        return ds.CsvFileFormat(
            read_options=pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES),
            parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(self.columns.names, pa.binary())),
        )

    def _check_quotes(self) -> None:
        """Refuse an open quote, which makes the parser take the rest of the file for one value, without a word."""
        with self.file.filesystem.open_input_stream(self.file.path, compression=None) as file:
            quotes = sum(chunk.count(b'"') for chunk in iter(lambda: file.read(1 << 20), b""))
        if quotes % 2:
            raise InputError(
                f"{self.name}: cannot be read as CSV: it has an odd number of double quotes, so a quoted value never "
                'ends; the file may be truncated, or a quote in a value not written as ""'
            )

    def _count_rows(self) -> int:
        """The rows by the file's own account; text has none, so an estimate from the length of its first lines."""
        if self.form in ("CSV", "JSON lines"):
            return self.bytes * self._head.count(b"\n") // len(self._head)
        return self._fragment.count_rows()

    def _count_classes(self) -> int:
        """The length of the first list; 0 for a file without rows."""
        column = self.columns.pairs[0][0]
        with self._reading():
            options = {"columns": [column], "batch_size": 1, "batch_readahead": 2}
            head = self._fragment.scanner(schema=self.schema, **options).head(1)
            head.validate(full=True)
        if not len(head):
            return 0
        return self.checker.first_classes(head[0][0])

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        # Whatever its C++ readers meet in a damaged file, PyArrow raises as one of these.
        except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
            raise InputError(f"{self.name}: cannot be read as {self.form}: {_reason(error)}") from error


def _widened(schema: pa.Schema, columns: Columns) -> pa.Schema:
    """The schema with whole logits as float64: JSON has one kind of number. Labels too, unless they are classes."""
    for logits, labels in columns.pairs:
        if {logits, labels} <= set(schema.names):
            x, z, wide = schema.field(logits).type, schema.field(labels).type, pa.float64()
            if is_list(x) and pa.types.is_integer(x.value_type):
                schema = schema.set(schema.get_field_index(logits), pa.field(logits, pa.list_(wide)))
            elif pa.types.is_integer(x):
                schema = schema.set(schema.get_field_index(logits), pa.field(logits, wide))
            if not is_list(x) and pa.types.is_integer(z):
                schema = schema.set(schema.get_field_index(labels), pa.field(labels, wide))
    return schema


def _reason(error: BaseException) -> str:
    """PyArrow's text as one short line, without the path it repeats and with the rows counted as they are here."""
    text = said_by(error, most=None)
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if ragged:
        line, expected, got = map(int, ragged.groups())
        return (
            f"row {line - 1} (the first row of data is row 1) has {got} values, expected {expected} as in the header; "
            "correct the row or leave it out"
        )
    text = re.sub(r"^Could not open \w+ input source '.*?': (Invalid: )?", "", text)
    return f"{text[:200].rstrip('.')}; the file may be truncated or damaged"
