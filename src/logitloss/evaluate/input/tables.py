"""Tables that other libraries hold, as streams of Arrow's batches."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from logitloss.evaluate.errors import InputError, said_by
from logitloss.evaluate.input.check import check_types, has_lists
from logitloss.evaluate.input.columns import Columns, selected
from logitloss.evaluate.input.read import Opened, classes_of, projected, raw_schema


@runtime_checkable
class ArrowStream(Protocol):
    """What gives its rows by the Arrow PyCapsule interface: tables of PyArrow, Polars, DuckDB, pandas and others."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A capsule with a stream of batches."""
        ...


@dataclass(frozen=True)
class Table:
    """A table in memory, or a stream of batches: what is read once, and cannot be sent elsewhere."""

    held: Any
    name: str


def table_of(value: Any) -> Table | None:
    """The value as a table; None if it is none."""
    kind = type(value)
    name = f"{kind.__module__.partition('.')[0]}.{kind.__qualname__}"
    if isinstance(value, Mapping):
        return Table(value, "dict of arrays")
    if isinstance(value, (ArrowStream, ds.Dataset)) or name in ("polars.LazyFrame", "pandas.DataFrame"):
        return Table(value, name)
    return None


def open_table(table: Table, columns: Columns) -> Opened:
    """The table, checked as a file is."""
    try:
        reader = _reader(table.held, columns.names)
        schema = reader.schema
    except InputError:
        raise
    except Exception as error:  # whatever another library raises
        raise InputError(f"{table.name}: gives no stream of rows: {said_by(error)}") from error
    chosen = selected(table.name, schema, columns.names)
    raw = raw_schema(chosen, columns)
    check_types(table.name, raw, columns)
    batches = _batches(table.name, reader, chosen)
    classes = None
    if has_lists(raw, columns):
        first = next(batches, None)
        classes = classes_of(table.name, columns.pairs[0][0], first)
        batches = itertools.chain([] if first is None else [first], batches)
    rows = getattr(table.held, "num_rows", 0)  # not len, for which DuckDB runs the query once more
    return Opened(table.name, chosen, raw, classes, rows if isinstance(rows, int) else 0, 0, stream=batches)


def _batches(name: str, reader: pa.RecordBatchReader, chosen: Any) -> Iterator[pa.RecordBatch]:
    try:
        for batch in reader:
            if len(batch):
                yield projected(batch, chosen)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name}: {said_by(error)}") from error


def _reader(held: Any, names: list[str]) -> pa.RecordBatchReader:
    kind = type(held).__module__.partition(".")[0]
    if isinstance(held, Mapping):
        return pa.table({str(name): _array(str(name), column) for name, column in held.items()}).to_reader()
    if isinstance(held, ds.Dataset):
        tops = [one for one in held.schema.names if any(f"{name}.".startswith(f"{one}.") for name in names)]
        return held.scanner(columns=tops or None, batch_readahead=2).to_reader()
    if kind == "polars" and hasattr(held, "collect"):
        there = held.collect_schema().names()
        tops = [one for one in there if any(f"{name}.".startswith(f"{one}.") for name in names)]
        held = held.select(tops or there).collect()
    if kind == "pandas":  # the columns asked for alone: others may hold what Arrow has no type for
        tops = [one for one in held.columns if any(f"{name}.".startswith(f"{one}.") for name in names)]
        return pa.Table.from_pandas(held[tops] if tops else held, preserve_index=False).to_reader()
    return pa.RecordBatchReader.from_stream(held)


def _array(name: str, column: Any) -> pa.Array | pa.ChunkedArray:
    """A column of a dict: any array, a list, or rows of as many numbers each."""
    try:
        if hasattr(column, "__arrow_c_stream__"):
            return pa.chunked_array(column)
        if hasattr(column, "__arrow_c_array__") or hasattr(column, "__arrow_array__"):
            return pa.array(column)
        if isinstance(column, (list, tuple)):
            return pa.array(column)
        array = np.asarray(column)
        if array.ndim == 2:
            return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(array).ravel()), array.shape[1])
        return pa.array(array)
    except Exception as error:  # whatever another library raises
        raise InputError(
            f"column {name!r}: got {type(column).__module__}.{type(column).__qualname__}, expected an array: "
            f"{said_by(error)}"
        ) from error
