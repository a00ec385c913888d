"""JSON by DuckDB, with types that are stated: none is guessed from the first rows, and keys are what stands there."""

from __future__ import annotations

import functools
import re
from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa

from logitloss.evaluate.errors import InputError, needed, said_by
from logitloss.evaluate.input.columns import CELLS, Chosen, missing

_SAMPLE = 1000  # objects whose names are looked at first; what is in none of them is looked for in the whole file
_TYPES = {pa.float64(): "DOUBLE", pa.list_(pa.float64()): "DOUBLE[]", pa.string(): "VARCHAR"}


@functools.cache
def _connection() -> Any:
    return needed("duckdb", "reading JSON").connect()


def selected(name: str, path: str, names: Iterable[str], numbers: Container[str]) -> Chosen:
    """For each column the way to it through objects, and its field: float64, lists of it, or for keys text."""
    objects = f"read_json_objects({_string(_no_glob(path))})"
    ways = {column: list(dict.fromkeys([(column,), tuple(column.split("."))])) for column in names}
    type_of = {way: f"json_type(json, {_string(_pointer(way))})" for some in ways.values() for way in some}
    rows = _fetch(name, f"select {', '.join(type_of.values())} from {objects} limit {_SAMPLE}")
    if not rows:
        raise InputError(f"{name}: has no rows, and no rows have no mean; leave the file out")
    seen = {way: [kind for kind in kinds if kind] for way, kinds in zip(type_of, zip(*rows, strict=True), strict=True)}
    found = []
    for column, some in ways.items():
        for way in some:
            if set(seen[way]) <= {"NULL"}:
                one = type_of[way]
                seen[way] += sum(
                    _fetch(
                        name, f"select {one} from {objects} where {one} is not null order by {one} = 'NULL' limit 1"
                    ),
                    (),
                )
        way = next((way for way in some if seen[way]), None)
        if way is None:
            keys = _fetch(name, f"select unnest(json_keys(json)) from (from {objects} limit {_SAMPLE})")
            raise missing(name, column, list(dict.fromkeys(sum(keys, ()))))
        kind = next((kind for kind in seen[way] if kind != "NULL"), "")
        type_ = pa.list_(pa.float64()) if kind == "ARRAY" else pa.float64()
        found.append((way, pa.field(column, type_ if column in numbers else pa.string(), metadata=CELLS)))
    return found


def batches(name: str, path: str, chosen: Chosen, size: int, skip_invalid: bool) -> Iterator[pa.RecordBatch]:
    """The rows, in order; with `skip_invalid` a line that is no object is a row of nulls."""
    tree: dict[str, Any] = {}
    for way, field in chosen:
        inner = tree
        for step in way[:-1]:
            inner = inner.setdefault(step, {})
        inner[way[-1]] = _TYPES[field.type]
    columns = ", ".join(f"{_string(one)}: {_string(_type(inner))}" for one, inner in tree.items())
    names = ", ".join(f"{'.'.join(map(_name, way))} as {_name(field.name)}" for way, field in chosen)
    ignoring = "format='newline_delimited', ignore_errors=true" if skip_invalid else "format='auto'"
    query = f"select {names} from read_json({_string(_no_glob(path))}, columns={{{columns}}}, {ignoring})"
    try:
        yield from _connection().cursor().sql(query).to_arrow_reader(size)
    except _errors() as error:
        raise _refused(name, error) from error


def _fetch(name: str, query: str) -> list[tuple]:
    try:
        return _connection().cursor().execute(query).fetchall()
    except _errors() as error:
        raise _refused(name, error) from error


def _errors() -> tuple[type[Exception], ...]:
    return (needed("duckdb", "reading JSON").Error, OSError, ValueError)


def _refused(name: str, error: Exception) -> InputError:
    text = said_by(error, most=None).partition(" Try ")[0]
    where = re.search(r"in (?:line|record/value) (\d+): (.*)", text)
    reason = f"line {where[1]}: {where[2]}" if where else re.sub(r"^.*?Error: ", "", text)
    return InputError(f"{name}: cannot be read as JSON: {reason[:200].rstrip('. ')}; correct the line or leave it out")


def _type(of: Any) -> str:
    if isinstance(of, str):
        return of
    return f"STRUCT({', '.join(f'{_name(one)} {_type(inner)}' for one, inner in of.items())})"


def _pointer(way: Sequence[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in way)


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _string(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _no_glob(path: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", path)
