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
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs

from logitloss.evaluate.errors import InputError, needed, printable, said_by
from logitloss.evaluate.input.columns import Columns
from logitloss.evaluate.input.read import File, Opened, open_files
from logitloss.evaluate.input.tables import ArrowStream, Table, open_table, table_of

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_ACCEPTED = (
    "a path, glob, folder or address of files, a table (of PyArrow, Polars, pandas, DuckDB, or any with "
    "__arrow_c_stream__), a dict of arrays, or a list of these"
)

Path = str | os.PathLike[str]
Source = Path | ArrowStream | Mapping[str, Any]
Sources = Source | Iterable[Source]


def open_sources(inputs: Sources, columns: Columns) -> list[Opened]:
    """A source for each file or table, in the order named; those of a folder or glob in the order of their names."""
    found = _found(inputs)
    _refuse_twice(found)
    files = iter(open_files([one for one in found if isinstance(one, File)], columns))
    return [next(files) if isinstance(one, File) else open_table(one, columns) for one in found]


def _found(inputs: Any) -> list[File | Table]:
    one = table_of(inputs)
    if one is not None:
        return [one]
    if isinstance(inputs, File):
        return [inputs]
    if isinstance(inputs, (str, os.PathLike)):
        return list(_files(os.fspath(inputs)))
    if isinstance(inputs, (list, tuple, set, frozenset, Iterator)):
        return [file for one in inputs for file in _found(one)]
    kind = type(inputs)
    remedy = "; call its compute() first" if hasattr(inputs, "compute") else ""
    what = "None" if inputs is None else f"{kind.__module__}.{kind.__qualname__}"
    raise InputError(f"got {what}, expected {_ACCEPTED}{remedy}")


def _refuse_twice(found: Iterable[File | Table]) -> None:
    """A file that is named twice, by whatever paths and links, would count twice."""
    seen: dict[Any, str] = {}
    for one in found:
        key: Any = id(one.held) if isinstance(one, Table) else f"{one.filesystem.type_name}:{one.path}"
        if isinstance(one, File) and isinstance(one.filesystem, pyarrow.fs.LocalFileSystem):
            with contextlib.suppress(OSError):
                stat = os.stat(one.path)
                key = stat.st_dev, stat.st_ino
        if key in seen:
            as_well = "" if seen[key] == one.name else f", as {seen[key]} too"
            raise InputError(f"{one.name}: is named twice{as_well}; each of its rows would count twice, name it once")
        seen[key] = one.name


def query(sql: str) -> Any:
    """The result of a query by DuckDB, which reads files of most kinds by their names in quotes."""
    duckdb = needed("duckdb", "a query")
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
            ending = _ending(file.read(1 << 12))
        os.rename(path, path + ending)
        yield File(path + ending, called="stdin")


def _ending(head: bytes) -> str:
    """The format by the bytes that it starts with; what is no other is CSV."""
    for ending, magic in (
        (".parquet", b"PAR1"),
        (".arrow", (b"ARROW1", b"\xff\xff\xff\xff")),
        (".orc", b"ORC"),
        (".csv.gz", b"\x1f\x8b"),
    ):
        if head.startswith(magic):
            return ending
    return ".json" if head.lstrip().startswith((b"{", b"[")) else ".csv"


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
        yield File(path, folders=_folders(path))


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
            yield File(one.path, filesystem, _folders(one.path), scheme + one.path)


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
    """The files of a folder and those in it; what cannot be read and is not hidden is named in a warning."""
    try:
        found = filesystem.get_file_info(pyarrow.fs.FileSelector(folder, recursive=True))
    except OSError as error:
        raise InputError(f"{printable(name)}: cannot be listed: {said_by(error)}") from error
    files: list[File] = []
    others: list[str] = []
    for info in sorted(found, key=lambda one: one.path):
        inside = info.path[len(folder) :].strip("/")
        if info.type != pyarrow.fs.FileType.File or any(map(_is_hidden, inside.split("/"))):
            continue
        called = f"{name.rstrip('/')}/{inside}" if name != folder else ""
        file = File(info.path, filesystem, _folders(info.path), called)
        if file.form:
            files.append(file)
        else:
            others.append(printable(inside))
    if not files:
        raise InputError(f"{printable(name)}: no file in it has a name that ends in a known format, such as .parquet")
    if others:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        warnings.warn(
            f"{printable(name)}: left out what is of no known format: {', '.join(others[:5])}{more}", stacklevel=2
        )
    yield from files


def _is_hidden(name: str) -> bool:
    """What writers leave beside the data. As for Spark, a name with = is a partition, whatever it begins with."""
    return name.startswith(("_", ".")) and "=" not in name


def _folders(path: str) -> dict[str, str | None]:
    """The columns that folders called `column=value` add. Values are text: 007 and 7 are two."""
    steps = (step.partition("=") for step in path.replace(os.sep, "/").split("/")[:-1] if "=" in step)
    return {
        urllib.parse.unquote(name): None if value == _NO_VALUE else urllib.parse.unquote(value)
        for name, _, value in steps
    }
