"""Files in, raw batches out, whatever the format and the file system; errors are one line that names the file.

PyArrow's datasets read what they can, over explicit lists of files; DuckDB reads JSON.
"""

# pyright: reportAttributeAccessIssue=false
# PyArrow defines its compute functions while it is imported, where pyright cannot see them.

from __future__ import annotations

import contextlib
import csv
import hashlib
import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds
import pyarrow.fs

from logitloss.evaluate.errors import InputError, printable, said_by
from logitloss.evaluate.input import json_lines
from logitloss.evaluate.input.check import Raw, check_types, has_lists
from logitloss.evaluate.input.columns import CELLS, FOLDER, Chosen, Columns, selected
from logitloss.evaluate.input.numbers import commonest_length

# Large enough that the calls for each interval and group do not count, and only megabytes. Lists of logits make the
# rows fewer, so that the logits are not more.
BATCH_ROWS = 1 << 20
CSV_BLOCK_BYTES = 1 << 22  # also the longest line that a CSV may have
PART_ROWS = 1 << 25  # what one task reads of a Parquet file, which can be entered at any row group; fewer rows of lists
_HEAD_ROWS = 1 << 10  # of which the commonest length of a list is the number of classes

FORMATS = {
    ".parquet": "Parquet",
    ".pq": "Parquet",
    ".arrow": "Arrow",
    ".arrows": "Arrow",
    ".feather": "Arrow",
    ".ipc": "Arrow",
    ".orc": "ORC",
    ".csv": "CSV",
    ".jsonl": "JSON",
    ".ndjson": "JSON",
    ".json": "JSON",
}
_LOCAL = pyarrow.fs.LocalFileSystem()
_COMPRESSED = (".gz", ".bz2", ".zst", ".lz4")  # text formats, which are not compressed within
_ENDINGS = f"{', '.join(FORMATS)}, or .csv.gz and the like"


@dataclass(frozen=True)
class File:
    """Where a file is, and the columns that its folders' names add."""

    path: str
    filesystem: pyarrow.fs.FileSystem = field(default_factory=lambda: _LOCAL, repr=False, compare=False)
    folders: Mapping[str, str | None] = field(default_factory=dict)
    called: str = ""  # what errors call it, if not by its path

    @property
    def name(self) -> str:
        """The name for people."""
        return printable(self.called or self.path)

    @property
    def form(self) -> str:
        """The format by the end of the name; "" for none."""
        stem, ending = os.path.splitext(self.path.lower())
        form = FORMATS.get(os.path.splitext(stem)[1] if ending in _COMPRESSED else ending, "")
        return "" if ending in _COMPRESSED and form not in ("CSV", "JSON") else form


@dataclass(frozen=True)
class Opened:
    """A source whose schema was read and checked: a file, or a stream of batches that another library holds."""

    name: str
    chosen: Chosen
    schema: pa.Schema  # of the raw batches: what was chosen, and what the folders' names give
    classes: int | None  # as the first rows have it; None where logits are no lists, 0 where there are no rows
    rows: int  # perhaps an estimate
    size: int  # bytes
    version: Any = None  # what changes with the file
    file: Any = None  # a `File`
    fragment: Any = None  # a `ds.Fragment`, where PyArrow's datasets read it
    groups: tuple[tuple[int, int], ...] = ()  # the rows and bytes of a Parquet file's row groups
    stream: Any = None  # an iterator of record batches


@dataclass(frozen=True)
class Piece:
    """What one task reads: all of a source, some row groups of a file, or several small files."""

    sources: tuple[Opened, ...]
    parts: tuple[tuple[str, int], ...]  # the source and the number of the part in it, for each that this holds
    rows: int
    size: int
    groups: tuple[int, ...] | None = None
    first_row: int = 0


def open_files(files: Sequence[File], columns: Columns) -> list[Opened]:
    """The files with their schemas; `InputError` for one that cannot be read, or lacks a column or has it in a type
    that is no use."""
    infos: list[pyarrow.fs.FileInfo] = []
    for _, same in itertools.groupby(files, key=lambda file: file.filesystem):
        infos += _infos(list(same))
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda file, info: _opened(file, info, columns), files, infos))


def _infos(files: Sequence[File]) -> list[pyarrow.fs.FileInfo]:
    try:
        return files[0].filesystem.get_file_info([file.path for file in files])
    except OSError as error:
        raise _cannot_open(files[0], error) from error


def _opened(file: File, info: pyarrow.fs.FileInfo, columns: Columns) -> Opened:
    name = file.name
    if info.type == pyarrow.fs.FileType.NotFound:
        raise InputError(f"{name}: there is no such file or folder; check the path")
    if not file.form:
        raise InputError(f"{name}: the name must end in one of {_ENDINGS}, which says how to read it")
    if not info.size:
        raise InputError(f"{name}: is empty (0 bytes); leave it out, or write it again")
    with _reading(file):
        head = b""
        if file.form in ("CSV", "Arrow"):
            with file.filesystem.open_input_stream(file.path) as stream:
                head = stream.read(1 << 16)
        schema: Any = None
        fragment: Any = None
        chosen, groups = None, ()
        if file.form == "JSON":
            names = [column for column in columns.names if column not in file.folders]
            with _local(file) as path:
                chosen = json_lines.selected(name, path, names, columns.numbers)
        elif _is_stream(head):
            with _open_stream(file) as reader:
                schema = reader.schema
        else:
            fragment = _format(file, head, columns).make_fragment(file.path, file.filesystem)
            schema = fragment.physical_schema
            _ = schema.names  # which may be no UTF-8
        if chosen is None:
            names = [column for column in columns.names if column not in file.folders or column in schema.names]
            chosen = selected(name, schema, names, file.folders)
        if file.form == "CSV":
            chosen = [(way, pa.field(one.name, one.type, metadata=CELLS)) for way, one in chosen]
        if file.form == "Parquet":
            groups = tuple((group.num_rows, group.total_byte_size) for group in fragment.row_groups)
    schema = raw_schema(chosen, columns, file.folders)
    check_types(name, schema, columns)
    with _reading(file):  # last, because PyArrow crashes on some damaged files that the checks above refuse
        if file.form == "Parquet":
            rows = sum(count for count, _ in groups)
        elif file.form in ("CSV", "JSON") or fragment is None:  # an estimate from the length of the first lines
            rows = max(1, info.size * head.count(b"\n") // max(1, len(head)))
        else:
            rows = fragment.count_rows()
    opened = Opened(name, chosen, schema, None, rows, info.size, (info.size, info.mtime_ns), file, fragment, groups)
    if not has_lists(opened.schema, columns):
        return opened
    with _reading(file):
        column = columns.pairs[0][0]
        if fragment is not None:
            ways = {field.name: pc.field(*way) for way, field in chosen if field.name == column}
            first = fragment.head(_HEAD_ROWS, columns=ways, batch_size=_HEAD_ROWS, batch_readahead=2)
        else:
            first = next(_one_by_one(opened, _HEAD_ROWS, columns.skip_invalid), None)
        return replace(opened, classes=classes_of(name, column, first))


def raw_schema(chosen: Chosen, columns: Columns, folders: Iterable[str] = ()) -> pa.Schema:
    """The schema of raw batches: what was chosen, and the columns that the folders' names give."""
    fields = {field.name: field for _, field in chosen}
    folder = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([fields.get(name) or pa.field(name, folder, metadata=FOLDER) for name in columns.names])


def classes_of(name: str, column: str, first: pa.Table | pa.RecordBatch | None) -> int:
    """How many logits a list has, by the first rows; 0 where there are none."""
    if first is None or not len(first):
        return 0
    lists = first[column].combine_chunks() if isinstance(first, pa.Table) else first[column]
    classes = commonest_length(lists.slice(0, _HEAD_ROWS))
    if classes is None:
        raise InputError(
            f"{name}: column {column!r}: the first {min(len(lists), _HEAD_ROWS)} rows hold no list of numbers, one for "
            "each class; correct them or leave them out"
        )
    return classes


def pieces_of(sources: Iterable[Opened], classes: int | None) -> list[Piece]:
    """The parts of all sources, in order: a large Parquet file has several."""
    size, found = max(1, PART_ROWS // (classes or 1)), []
    for one in sources:
        starts = [0, *itertools.accumulate(rows for rows, _ in one.groups)]
        cuts = [i for i in range(1, len(one.groups)) if starts[i - 1] // size < starts[i] // size]
        if not cuts:
            found.append(Piece((one,), ((one.name, 0),), one.rows, one.size))
            continue
        for i, (a, b) in enumerate(itertools.pairwise([0, *cuts, len(one.groups)])):
            held = sum(count for _, count in one.groups[a:b])
            found.append(Piece((one,), ((one.name, i),), starts[b] - starts[a], held, tuple(range(a, b)), starts[a]))
    return found


def gathered(pieces: Iterable[Piece], classes: int | None) -> list[Piece]:
    """The same with small files together, so that they cost few calls."""
    most, found = max(1, BATCH_ROWS // (classes or 1)), []
    for piece in pieces:
        last = found[-1] if found else None
        if last and last.rows + piece.rows <= most and _alike(last, piece):
            sources, parts = last.sources + piece.sources, last.parts + piece.parts
            found[-1] = Piece(sources, parts, last.rows + piece.rows, last.size + piece.size)
        else:
            found.append(piece)
    return found


def _alike(piece: Piece, other: Piece) -> bool:
    """Whether PyArrow can read the files of both as one dataset."""
    a, b = piece.sources[0], other.sources[0]
    return (
        piece.groups is other.groups is None
        and a.fragment is not None
        and b.fragment is not None
        and all(len(way) == 1 for way, _ in a.chosen)
        and a.chosen == b.chosen
        and a.fragment.format == b.fragment.format
        and a.file.filesystem == b.file.filesystem
    )


def raw_batches(piece: Piece, classes: int | None, skip_invalid: bool) -> Iterator[Raw]:
    """The rows of a piece, in order; `InputError` where reading fails, or a file changes meanwhile."""
    size = max(1, BATCH_ROWS // (classes or 1))
    rows = dict.fromkeys((source.name for source in piece.sources), 0)
    held: list[tuple[int, str, int]] = []
    batches: list[pa.RecordBatch] = []

    def joined() -> Raw:
        origins, held[:] = list(held), []
        if len(batches) == 1:
            return Raw(batches.pop(), origins)
        table = pa.Table.from_batches(batches).combine_chunks()
        batches.clear()
        return Raw(table.to_batches()[0], origins)

    for source, batch in _read(piece, size, skip_invalid):
        for start in range(0, len(batch), size):
            part = _complete(source, batch.slice(start, size))
            behind = sum(map(len, batches))
            if batches and behind + len(part) > size:
                yield joined()
                behind = 0
            held.append((behind, source.name, piece.first_row + rows[source.name]))
            batches.append(part)
            rows[source.name] += len(part)
            if len(piece.sources) == 1:
                yield joined()
    if batches:
        yield joined()
    for source in piece.sources:
        if not rows[source.name] and piece.groups is None:
            raise InputError(f"{source.name}: has no rows, and no rows have no mean; leave it out")
    files = [source.file for source in piece.sources if source.file is not None]
    if files:
        for source, info in zip(piece.sources, _infos(files), strict=True):
            if source.version != (info.size, info.mtime_ns):
                raise InputError(f"{source.name}: changed while it was read; score it when it is complete")


def _complete(source: Opened, batch: pa.RecordBatch) -> pa.RecordBatch:
    """With the columns that the folders' names give, and the marks of those without types."""
    columns = []
    for name in source.schema.names:
        if name in batch.schema.names:
            columns.append(batch[name])
            continue
        value, rows = source.file.folders[name], np.zeros(len(batch), np.int32)
        codes = pa.array(rows, mask=rows == 0 if value is None else None)
        columns.append(pa.DictionaryArray.from_arrays(codes, pa.array([value or ""])))
    return pa.RecordBatch.from_arrays(columns, schema=source.schema)


def _read(piece: Piece, size: int, skip_invalid: bool) -> Iterator[tuple[Opened, pa.RecordBatch]]:
    first = piece.sources[0]
    if first.file is None:
        yield from ((first, batch) for batch in first.stream)
        return
    try:
        if first.fragment is None:
            yield from ((first, batch) for batch in _one_by_one(first, size, skip_invalid))
        else:
            yield from _scanned(piece, size)
    except _FAILURES as error:
        if len(piece.sources) == 1:
            raise _refused(first.file, error) from error
        for source in piece.sources:  # which of them it is, PyArrow does not say
            for _ in _read(Piece((source,), (), 0, 0), size, skip_invalid):
                pass
        raise _refused(first.file, error) from error


def _scanned(piece: Piece, size: int) -> Iterator[tuple[Opened, pa.RecordBatch]]:
    """By PyArrow's datasets, which project, and read a few files and row groups ahead."""
    first = piece.sources[0]
    by_path = {source.file.path: source for source in piece.sources}
    for source in piece.sources:
        if source.file.form == "CSV":
            _check_quotes(source.file)
    fragments = [source.fragment for source in piece.sources]
    if piece.groups is not None:
        fragments = [first.fragment.subset(row_group_ids=piece.groups)]
    physical = first.fragment.physical_schema
    schema = pa.schema([physical.field(name) for name in dict.fromkeys(way[0] for way, _ in first.chosen)])
    dataset = ds.FileSystemDataset(fragments, schema, first.fragment.format, first.file.filesystem)
    ways = {field.name: pc.field(*way) for way, field in first.chosen}
    # Two batches ahead keep reading and scoring busy at once; more would only hold memory.
    for tagged in dataset.scanner(columns=ways, batch_size=size, batch_readahead=2).scan_batches():
        batch = tagged.record_batch
        batch.validate(full=True)  # Arrow files are taken as they are: offsets and text may be damaged
        if len(batch):
            yield by_path[tagged.fragment.path], batch


def _one_by_one(source: Opened, size: int, skip_invalid: bool) -> Iterator[pa.RecordBatch]:
    """The batches of a file that PyArrow's datasets do not read: JSON, and Arrow's format for streams."""
    if source.file.form == "JSON":
        with _local(source.file) as path:
            yield from json_lines.batches(source.name, path, source.chosen, size, skip_invalid)
        return
    with _open_stream(source.file) as reader:
        for batch in reader:
            batch.validate(full=True)
            if len(batch):
                yield projected(batch, source.chosen)


def projected(batch: pa.RecordBatch, chosen: Chosen) -> pa.RecordBatch:
    """The chosen columns of a batch that has others too."""
    columns = [batch[way[0]] if len(way) == 1 else pc.struct_field(batch[way[0]], way[1:]) for way, _ in chosen]
    return pa.RecordBatch.from_arrays(columns, schema=pa.schema([field for _, field in chosen]))


def fingerprint(file: File) -> str:
    """What changes when the file does: its size, its time, and a hash of its first and last bytes."""
    try:
        info = file.filesystem.get_file_info(file.path)
        with file.filesystem.open_input_file(file.path) as opened:
            ends = opened.read_at(1 << 16, 0) + opened.read_at(1 << 16, max(0, info.size - (1 << 16)))
    except OSError as error:
        raise _cannot_open(file, error) from error
    return f"{info.size} bytes, {info.mtime_ns}, {hashlib.blake2b(ends, digest_size=16).hexdigest()}"


def _format(file: File, head: bytes, columns: Columns) -> ds.FileFormat:
    if file.form == "Parquet":
        # Without pre_buffer, which keeps the bytes of the whole file in memory until its last row.
        options = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=False)
        return ds.ParquetFileFormat(default_fragment_scan_options=options)
    if file.form == "Arrow":
        return ds.IpcFileFormat()
    if file.form == "ORC":
        return ds.OrcFileFormat()
    lines = csv.reader(head.decode("utf-8-sig", "replace").splitlines(keepends=True))
    header = next((names for names in lines if names), [])
    renamed: dict[str, Any] = {}
    if len(set(header)) < len(header):  # which PyArrow refuses, be they used or not
        for name in columns.names:
            if header.count(name) > 1:
                raise InputError(f"{file.name}: {header.count(name)} columns are named {name!r}; rename all but one")
        names = [name if header.count(name) == 1 else f"{name} (column {i + 1})" for i, name in enumerate(header)]
        renamed = {"column_names": names, "skip_rows": lines.line_num}
    # Bytes, because type inference looks at the first block alone: what a later row means must not depend on it.
    return ds.CsvFileFormat(
        read_options=pyarrow.csv.ReadOptions(block_size=CSV_BLOCK_BYTES, **renamed),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(columns.names, pa.binary())),
    )


def _check_quotes(file: File) -> None:
    """Refuse an open quote, which makes the parser take the rest of the file for one value, without a word."""
    with file.filesystem.open_input_stream(file.path) as stream:
        quotes = sum(chunk.count(b'"') for chunk in iter(lambda: stream.read(1 << 20), b""))
    if quotes % 2:
        raise InputError(
            f"{file.name}: cannot be read as CSV: it has an odd number of double quotes, so a quoted value never "
            'ends; the file may be truncated, or a quote in a value not written as ""'
        )


def _is_stream(head: bytes) -> bool:
    """Whether it is Arrow's format for streams, which has no table of contents."""
    return head.startswith(b"\xff\xff\xff\xff")


@contextlib.contextmanager
def _open_stream(file: File) -> Iterator[pa.RecordBatchReader]:
    with file.filesystem.open_input_stream(file.path) as source, pa.ipc.open_stream(source) as reader:
        yield reader


@contextlib.contextmanager
def _local(file: File) -> Iterator[str]:
    """A path that DuckDB can read."""
    if isinstance(file.filesystem, pyarrow.fs.LocalFileSystem):
        yield file.path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, os.path.basename(file.path))
        with file.filesystem.open_input_stream(file.path, compression=None) as source, open(path, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
        yield path


# Whatever its C++ readers meet in a damaged file, PyArrow raises as one of these.
_FAILURES = (pa.ArrowException, OSError, ValueError, MemoryError)


@contextlib.contextmanager
def _reading(file: File) -> Iterator[None]:
    try:
        yield
    except _FAILURES as error:
        raise _refused(file, error) from error


def _refused(file: File, error: BaseException) -> InputError:
    """The error with PyArrow's text as one line, without the path it repeats and with the rows counted as here."""
    if isinstance(error, InputError):
        return error
    if isinstance(error, PermissionError):
        return _cannot_open(file, error)
    text = said_by(error, most=None)
    ragged = re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", text)
    if ragged:
        line, expected, got = map(int, ragged.groups())
        reason = (
            f"row {line - 1} (the first row of data is row 1) has {got} values, expected {expected} as in the header; "
            "correct the row or leave it out"
        )
    else:
        text = re.sub(r"^Could not open \w+ input source '.*?': (Invalid: )?", "", text)
        reason = f"{text[:200].rstrip('.')}; the file may be truncated or damaged"
    return InputError(f"{file.name}: cannot be read as {file.form}: {reason}")


def _cannot_open(file: File, error: OSError) -> InputError:
    reason = os.strerror(error.errno) if error.errno else said_by(error)
    return InputError(f"{file.name}: cannot be opened: {reason}; check its permissions")
