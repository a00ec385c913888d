"""A report as a table for people, as JSON or as CSV."""

from __future__ import annotations

import csv
import json
import math
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from xent.evaluate.score import Report, Score

_NUMBERS = ("rows", "mean_loss", "base_loss", "skill")


def write_table(report: Report, out: TextIO) -> None:
    """The groups and below them all rows together, six digits of each loss."""
    table = Table(box=box.HORIZONTALS, header_style="bold")
    for column in report.by:
        table.add_column(Text(_cell(column)), overflow="fold")
    for column in ("rows", "mean loss", "base-rate loss", "skill"):
        table.add_column(column, justify="right", overflow="fold")
    for group in report.groups:
        # As Text, because a key in [brackets] is not markup.
        table.add_row(*(Text(_cell(value)) for value in group.key), *_cells(group.score))
    table.add_section()
    title = ["all", *[""] * len(report.by)][: len(report.by)]
    table.add_row(*title, *_cells(report.overall), style="bold")
    console = Console(file=out)
    if not console.is_terminal:
        console.width = 10_000  # a file has no width to fit, and rich would assume 80 columns
    console.print(table)


def write_json(report: Report, out: TextIO) -> None:
    """One document. Numbers in full precision; JSON has neither inf nor nan, so both are null."""
    document: dict[str, Any] = {"overall": _numbers(report.overall), "by": report.by}
    document["groups"] = [
        {"key": dict(zip(report.by, group.key, strict=True)), **_numbers(group.score)} for group in report.groups
    ]
    json.dump(document, out, indent=2, allow_nan=False)
    out.write("\n")


def write_csv(report: Report, out: TextIO) -> None:
    """A line for all rows and one for each group, told apart by the first column; numbers in full precision."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scope", *report.by, *_NUMBERS])
    writer.writerow(["overall", *[""] * len(report.by), *_values(report.overall)])
    for group in report.groups:
        writer.writerow(["group", *group.key, *_values(group.score)])


def _values(score: Score) -> list[float]:
    return [getattr(score, name) for name in _NUMBERS]


def _numbers(score: Score) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in zip(_NUMBERS, _values(score), strict=True)}


def _cells(score: Score) -> list[str]:
    skill = "n/a" if math.isnan(score.skill) else f"{score.skill:.4f}"
    return [str(score.rows), f"{score.mean_loss:#.6g}", f"{score.base_loss:#.6g}", skill]


def _cell(value: Any) -> str:
    """A name or a key as one printable line: a line break or an escape sequence in it must not reach the terminal."""
    text = "(null)" if value is None else str(value)
    return text if text.isprintable() else repr(text)
