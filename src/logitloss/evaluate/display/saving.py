"""A report or a comparison as a file, in the form that the end of its name says."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow.parquet

from logitloss.evaluate.display import data, table
from logitloss.evaluate.errors import InputError, printable
from logitloss.evaluate.output import check_output, write_whole
from logitloss.evaluate.results import Comparison, Report

_GENERATOR = b'<meta name="generator" content="logitloss '  # by these two we know what we wrote
_METADATA = b"logitloss.scores"
_PAGE = ".html"


def save(
    result: Report | Comparison, path: str | os.PathLike[str], *, title: str | None = None, force: bool = False
) -> None:
    """Write `result` to `path`, which then holds all of it or, after an error, what it held before.

    The name ends in .html (a page), .json, .csv, .parquet or .md. `title` stands on top of a page.

    Raises:
        InputError: if the name ends otherwise, if the file cannot be written, if it is one of the inputs or, without
            `force`, if another file stands there than a page or a Parquet file that this function wrote.
    """
    check_path(path, sources_of(result), force=force)
    suffix = Path(path).suffix.lower()
    written = _page(result, title) if suffix == _PAGE else _WRITERS[suffix](result)
    write_whole(path, lambda file: file.write(written))


def check_path(path: str | os.PathLike[str], inputs: Sequence[str | os.PathLike[str]], *, force: bool = False) -> None:
    """Raise `InputError` where `save` would, before anything is computed."""
    name, suffix = printable(os.fspath(path)), Path(path).suffix.lower()
    if suffix not in (_PAGE, *_WRITERS):
        raise InputError(f"{name}: the name must end in one of {', '.join((_PAGE, *_WRITERS))}")
    check_output(path, is_ours, inputs=inputs, force=force)


def is_ours(path: Path) -> bool:
    """Whether this is a page or a table of scores that logitloss wrote; JSON, CSV and Markdown do not tell."""
    with path.open("rb") as file:
        if _GENERATOR in file.read(1 << 12):
            return True
    try:
        return _METADATA in (pyarrow.parquet.read_schema(path).metadata or {})
    except (pyarrow.ArrowException, OSError):
        return False


def sources_of(result: Report | Comparison) -> tuple[str, ...]:
    """The names of what was read."""
    return result.sources + (result.others if isinstance(result, Comparison) else ())


def _page(result: Report | Comparison, title: str | None) -> bytes:
    from logitloss.evaluate.display import page  # with Matplotlib, which takes long to import

    return page.whole(result, title).encode(errors="backslashreplace")  # a file's name may be no text


def _text(write: Callable[[Report | Comparison, io.StringIO], None]) -> Callable[[Report | Comparison], bytes]:
    def written(result: Report | Comparison) -> bytes:
        out = io.StringIO()
        write(result, out)
        return out.getvalue().encode(errors="backslashreplace")

    return written


def _parquet(result: Report | Comparison) -> bytes:
    out = pyarrow.BufferOutputStream()
    scores = data.to_arrow(result)
    pyarrow.parquet.write_table(scores.replace_schema_metadata({_METADATA: b"1"}), out)
    return out.getvalue().to_pybytes()


_WRITERS: dict[str, Callable[[Report | Comparison], bytes]] = {
    ".json": _text(data.write_json),
    ".csv": _text(data.write_csv),
    ".parquet": _parquet,
    ".md": _text(table.write_md),
}
