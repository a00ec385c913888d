"""The rows of a benchmark as tables for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TextIO

from logitloss.bench.engine import Row

FAMILIES = {
    "sigmoid": ("forward", "mean", "mean_and_grad", "grad_and_hess"),
    "sparse softmax": ("sparse_forward", "sparse_mean_and_grad"),
    "small calls": ("call",),
}
WORDS = {
    "mean_and_grad": "mean + gradient",
    "grad_and_hess": "gradient + hessian",
    "sparse_forward": "forward",
    "sparse_mean_and_grad": "mean + gradient",
}

LEAD = "fastest peer / logitloss"


class Table(NamedTuple):
    """Implementations down, cases across."""

    title: str
    head: list[tuple[str, ...]]
    """For each case: what is computed, the dtype and the labels, the size."""
    body: list[tuple[str, list[str]]]
    """For each implementation its cells."""


def tables(rows: Sequence[Row]) -> Iterator[Table]:
    """Give a table for each family of cases, number of threads and instruction set.

    A cell is the ratio to the memory bound of the same round, the median over the rounds; its own row has nanoseconds
    per element, and small calls are in microseconds. The last line is how many times as long as logitloss
    the fastest peer takes.
    """
    for threads, isa in dict.fromkeys((row.threads, row.isa) for row in rows):
        for family, ops in FAMILIES.items():
            own = [row for row in rows if (row.threads, row.isa) == (threads, isa) and row.op in ops]
            if own:
                what = "microseconds per call" if family == "small calls" else "ratio to the memory bound"
                counted = f"{threads} thread{'s' * (threads > 1)}"
                yield _table(f"{family}, {counted}, logitloss on {isa}: {what}", own)


def _table(title: str, rows: Sequence[Row]) -> Table:
    cases = list(dict.fromkeys(row[:4] for row in rows))
    cells = {(row.implementation, row[:4]): row for row in rows}
    names = dict.fromkeys(row.implementation for row in rows)
    body = [(name, [_cell(cells.get((name, case))) for case in cases]) for name in names]
    body.append((LEAD, [_lead(row for row in rows if row[:4] == case) for case in cases]))
    head = [(WORDS.get(op, op), f"{dtype}, {labels}", size) for op, dtype, labels, size in cases]
    return Table(title, head, body)


def _cell(row: Row | None) -> str:
    if row is None:
        return ""
    if row.op == "call":
        return f"{row.ns_median * int(row.size) / 1000:.2f}"
    return f"{row.ns_median:.3f} ns" if row.implementation == "memory bound" else f"{row.ratio:.2f}"


def is_peer(implementation: str) -> bool:
    """Whether an implementation is a peer: neither the memory bound nor logitloss, alone or in a framework."""
    return implementation != "memory bound" and not implementation.startswith("logitloss")


def _lead(rows: Iterable[Row]) -> str:
    ratios = {row.implementation: row.ratio for row in rows}
    own, peers = ratios.get("logitloss"), [ratio for name, ratio in ratios.items() if is_peer(name)]
    return f"{min(peers) / own:.2f}" if own and peers else ""


def write_table(rows: Sequence[Row], out: TextIO) -> None:
    """Tables, with the versions below."""
    from rich import box
    from rich.console import Console
    from rich.table import Table as RichTable

    console = Console(file=out, width=10_000)  # a table must not be cut to fit the terminal
    for table in tables(rows):
        shown = RichTable(box=box.HORIZONTALS)
        shown.add_column("")
        for lines in table.head:
            shown.add_column("\n".join(lines), justify="right")
        for name, cells in table.body:
            style = "bold" if name == "logitloss" else None
            shown.add_row(name, *cells, style=style, end_section=name in ("memory bound", table.body[-2][0]))
        console.print(table.title, shown, sep="\n")
    out.write(f"{versions(rows)}\n")


def versions(rows: Sequence[Row]) -> str:
    """Return the implementations with their versions, in a sentence."""
    named = dict.fromkeys(f"{row.implementation} {row.version}" for row in rows if row.implementation != "memory bound")
    bounds = dict.fromkeys(row.version for row in rows if row.implementation == "memory bound")
    return f"{', '.join(named)}. The memory bound is the fastest of several loops, here: {'; '.join(bounds)}."


def write_json(rows: Sequence[Row], out: TextIO) -> None:
    """A list of objects with the fields of a row, full precision."""
    json.dump([row._asdict() for row in rows], out, indent=2, allow_nan=False)
    out.write("\n")


def write_csv(rows: Sequence[Row], out: TextIO) -> None:
    """A line for each row, with a header; full precision."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(rows)


def read_csv(source: Iterable[str]) -> list[Row]:
    """Return the rows that :func:`write_csv` wrote."""
    kinds = {"threads": int, "rounds": int, "ns_median": float, "ns_best": float, "ratio": float, "ratio_best": float}
    return [Row(**{name: kinds.get(name, str)(line[name]) for name in Row._fields}) for line in csv.DictReader(source)]
