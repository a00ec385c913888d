"""What a caller may name, as sources: files, globs, folders, addresses, standard input, tables, a query."""

from __future__ import annotations

import contextlib
import fnmatch
import glob
import itertools
import os
import shutil
import tempfile
import urllib.parse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs

from logitloss.evaluate.errors import InputError, printable, said_by
from logitloss.evaluate.input import read
from logitloss.evaluate.input.check import Checker, Columns
from logitloss.evaluate.input.read import FORMATS, File, Part, Source

_STREAM = b"\xff\xff\xff\xff"  # what Arrow's streaming format starts with
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


def sources(inputs: Any, columns: Columns) -> Iterator[Source | Stream]:
    """A source for each file or table, in the order named; those of a folder or glob in the order of their names."""
    if isinstance(inputs, (str, os.PathLike)) or hasattr(inputs, "__arrow_c_stream__"):
        inputs = [inputs]
    for one in inputs:
        if isinstance(one, File):
            yield Source(one, columns)
        elif isinstance(one, (str, os.PathLike)):
            for file in _files(os.fspath(one)):
                yield Source(file, columns)
        elif hasattr(one, "__arrow_c_stream__"):
            yield Stream(one, columns)
        else:
            raise InputError(
                f"got {type(one).__module__}.{type(one).__qualname__}, expected a path or an object with "
                "__arrow_c_stream__, as the tables of PyArrow, Polars, DuckDB and pandas 3 have; convert it"
            )


class Stream:
    """A table, or a stream of batches, that another library holds. It is read once, and cannot be sent elsewhere."""

    bytes = 0

    def __init__(self, table: Any, columns: Columns):
        """Take the stream; `InputError` if a column is missing or of a type that is no use."""
        self.name = f"{type(table).__module__.partition('.')[0]}.{type(table).__qualname__}"
        try:
            self._reader = pa.RecordBatchReader.from_stream(table)
        except (pa.ArrowException, TypeError, ValueError) as error:
            raise InputError(f"{self.name}: gives no stream of rows: {said_by(error)}") from error
        self.checker = Checker(self.name, self._reader.schema, columns, {}, text=False)
        self._columns = columns
        self._first = self._next()
        self.classes = self._count_classes() if self.checker.lists() else None
        self._rows = getattr(table, "num_rows", 0)  # not len, for which DuckDB runs the query once more

    def parts(self) -> list[Part]:
        """All of it: a stream has no pieces."""
        return [Part(0, None, 0, max(1, self._rows), 0)]

    def batches(self, part: Part) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The record batches, of no more rows than a file's, each with the number of its first row."""
        row, size, batch = part.first_row, max(1, read.BATCH_ROWS // (self.classes or 1)), self._first
        while batch is not None:
            for start in range(0, len(batch), size):
                yield row + start, batch.slice(start, size)
            row += len(batch)
            batch = self._next()
        if not row:
            raise InputError(f"{self.name}: has no rows, and no rows have no mean; leave it out")

    def _next(self) -> pa.RecordBatch | None:
        try:
            for batch in self._reader:
                if len(batch):
                    return batch.select(self._columns.names)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise InputError(f"{self.name}: {said_by(error)}") from error
        return None

    def _count_classes(self) -> int:
        if self._first is None:
            return 0
        return self.checker.first_classes(self._first[self._columns.pairs[0][0]][0])


def query(sql: str) -> Any:
    """The result of a query by DuckDB, which reads files of most kinds by their names in quotes."""
    import duckdb

    try:
        return duckdb.connect().sql(sql)
    except duckdb.Error as error:
        raise InputError(f"--sql: {said_by(error, most=300)}") from error


@contextlib.contextmanager
def spooled(stream: IO[bytes]) -> Iterator[File]:
    """What a pipe holds, as a file: most formats have their table of contents at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "stdin")
        with open(path, "wb") as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        with open(path, "rb") as file:
            head = file.read(1 << 12)
        os.rename(path, path + _suffix(head))
        if head.startswith(_STREAM):
            _stream_to_file(path + ".arrow")
        yield File(path + _suffix(head), name="stdin")


def _suffix(head: bytes) -> str:
    """The format by the bytes that it starts with; what is no other is CSV."""
    for suffix, magic in ((".parquet", b"PAR1"), (".arrow", (b"ARROW1", _STREAM)), (".orc", b"ORC")):
        if head.startswith(magic):
            return suffix
    return ".jsonl" if head.lstrip().startswith(b"{") else ".csv"


def _stream_to_file(path: str) -> None:
    """The streaming format of Arrow as the one that can be entered anywhere."""
    whole = path + ".file"
    try:
        with pa.ipc.open_stream(path) as reader, pa.ipc.new_file(whole, reader.schema) as writer:
            for batch in reader:
                writer.write_batch(batch)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"stdin: cannot be read as Arrow: {said_by(error)}; the file may be truncated or damaged"
        ) from error
    os.replace(whole, path)


def _files(path: str) -> Iterator[File]:
    if "://" in path:
        yield from _at_address(path)
    elif os.path.isdir(path):
        yield from _in_folder(pyarrow.fs.LocalFileSystem(), path, path)
    elif glob.has_magic(path) and not os.path.exists(path):
        found = sorted(glob.glob(path, recursive=True))
        if not found:
            raise _no_match(path)
        for one in found:
            yield from _files(one)
    else:
        yield File(path)


def _at_address(address: str) -> Iterator[File]:
    """The files at an address. They are named without what it says of keys and hosts, which are nobody's business."""
    try:
        filesystem, path = pyarrow.fs.FileSystem.from_uri(address)
        scheme = address.partition("://")[0] + "://"
        found = [filesystem.get_file_info(path)]
        if glob.has_magic(path) and found[0].type == pyarrow.fs.FileType.NotFound:
            parts = path.split("/")
            base = "/".join(itertools.takewhile(lambda part: not glob.has_magic(part), parts))
            found = filesystem.get_file_info(pyarrow.fs.FileSelector(base, recursive=True, allow_not_found=True))
            found = sorted((one for one in found if _fits(one.path.split("/"), parts)), key=lambda one: one.path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(
            f"{printable(_public(address))}: cannot be opened: {said_by(error)}; check the address"
        ) from error
    if not found:
        raise _no_match(_public(address))
    for one in found:
        if one.type == pyarrow.fs.FileType.Directory:
            yield from _in_folder(filesystem, one.path, scheme + one.path)
        else:
            yield File(one.path, filesystem, name=scheme + one.path)


def _public(address: str) -> str:
    """The address without user, password and options."""
    scheme, _, rest = address.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def _fits(names: Sequence[str], patterns: Sequence[str]) -> bool:
    """Whether a path fits a pattern, both split at the slashes; ** stands for any number of folders."""
    if not patterns:
        return not names
    if patterns[0] == "**":
        return _fits(names, patterns[1:]) or (len(names) > 0 and _fits(names[1:], patterns))
    return len(names) > 0 and fnmatch.fnmatchcase(names[0], patterns[0]) and _fits(names[1:], patterns[1:])


def _no_match(pattern: str) -> InputError:
    return InputError(f"{printable(pattern)}: matches no file; check the pattern")


def _in_folder(filesystem: pyarrow.fs.FileSystem, folder: str, name: str) -> Iterator[File]:
    """The files of a folder and those in it, with a column for each folder called `column=value`."""
    try:
        found = filesystem.get_file_info(pyarrow.fs.FileSelector(folder, recursive=True))
    except OSError as error:
        raise InputError(f"{printable(name)}: cannot be listed: {said_by(error)}") from error
    files: list[File] = []
    for info in sorted(found, key=lambda one: one.path):
        inside = info.path[len(folder) :].strip("/").split("/")
        hidden = any(part.startswith(("_", ".")) for part in inside)  # what writers leave beside the data
        if info.type == pyarrow.fs.FileType.File and not hidden and os.path.splitext(info.path)[1].lower() in FORMATS:
            values = dict(part.split("=", 1) for part in inside[:-1] if "=" in part)
            full = f"{name.rstrip('/')}/{'/'.join(inside)}" if name != folder else ""
            files.append(File(info.path, filesystem, {key: _value(text) for key, text in values.items()}, full))
    if not files:
        raise InputError(f"{printable(name)}: no file in it has a name that ends in one of {', '.join(FORMATS)}")
    yield from _typed(files)


def _value(text: str) -> str | None:
    return None if text == _NO_VALUE else urllib.parse.unquote(text)


def _typed(files: Sequence[File]) -> Iterable[File]:
    """The columns of folders' names as integers, where all of a column's values are."""
    names = {name for file in files for name in file.constants}
    whole = set()
    for name in names:
        values = [file.constants[name] for file in files if file.constants.get(name) is not None]
        if all(value.lstrip("-").isdecimal() and len(value) < 19 for value in values) and values:
            whole.add(name)
    for file in files:
        constants = {n: int(v) if n in whole and v is not None else v for n, v in file.constants.items()}
        yield replace(file, constants=constants)
