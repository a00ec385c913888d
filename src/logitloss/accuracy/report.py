"""The rows of a sweep as tables for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import TextIO

from logitloss.accuracy.sweep import SOFTMAX_OUTPUTS, Row
from logitloss.accuracy.zones import dtype_of


def write_table(rows: Sequence[Row], out: TextIO) -> None:
    """One table for each operation and dtype: errors rounded up, logits and labels as their dtype prints them.

    A witness from a row of many classes is the row's number.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    console = Console(file=out, width=10_000)  # a witness must not be cut to fit the terminal
    for (operation, dtype), of_dtype in groupby(rows, attrgetter("operation", "dtype")):
        name = dtype if operation == "sigmoid" else f"{operation}, {dtype}"
        table = Table(title=f"{name}: largest error in units in the last place", box=box.HORIZONTALS)
        table.add_column("zone, implementation")
        for column in _COLUMNS[operation]:
            table.add_column(column, justify="left" if column == "at" else "right")
        for zone, of_zone in groupby(of_dtype, attrgetter("zone")):
            table.add_row(zone, style="bold")
            for implementation, outputs in groupby(of_zone, attrgetter("implementation")):
                cells = [cell for row in outputs for cell in (ulp_text(row.ulp), *_witness(row))]
                table.add_row(f"  {implementation}", *cells)
            table.add_section()
        console.print(table)


def write_json(rows: Sequence[Row], out: TextIO) -> None:
    """A list of objects with the fields of a row. Full precision; JSON has neither inf nor nan, so both are null."""
    document = [
        {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in row._asdict().items()}
        for row in rows
    ]
    json.dump(document, out, indent=2, allow_nan=False)
    out.write("\n")


def write_csv(rows: Sequence[Row], out: TextIO) -> None:
    """A line for each row, with a header; full precision."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)


def ulp_text(error: float) -> str:
    """Return an error rounded up, so that 0.500 means at most 0.5."""
    if error >= 1000:
        return f"{error:.1e}"
    return f"{math.ceil(error * 1000) / 1000:.3f}" if error < 10 else f"{math.ceil(error):d}"


_COLUMNS = {
    "sigmoid": ("loss", "at logit", "label", "gradient", "at logit", "label"),
    "softmax": tuple(column for output in SOFTMAX_OUTPUTS for column in (output, "at")),
}


def _witness(row: Row) -> tuple[str, ...]:
    if row.operation == "softmax":
        return (row.at,)
    scalar = dtype_of(row.dtype).type
    return str(scalar(row.logit)), str(scalar(row.label))
