"""A report or a comparison as a table for people, as JSON, CSV or Markdown, and as an Arrow table.

Groups come in the order of what they are to blame for, the worst first. All but the two tables for people give full
precision.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pyarrow as pa
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from logitloss.evaluate.results import Comparison, Report

# The columns of the two tables for people: heading and cell. The others show whatever there is.
_SHOWN: dict[str, tuple[str, Callable[[float], str]]] = {
    "rows": ("rows", str),
    "weight": ("weight", "{:g}".format),
    "mean_loss": ("mean loss", "{:#.6g}".format),
    "other_loss": ("other loss", "{:#.6g}".format),
    "difference": ("difference", "{:+#.4g}".format),
    "standard_error": ("std error", "{:#.2g}".format),
    "base_loss": ("base-rate loss", "{:#.6g}".format),
    "skill": ("skill", "{:.4f}".format),
    "excess_share": ("share of excess", "{:.1%}".format),
    "contribution": ("contribution", "{:+#.4g}".format),
}

MOST_GROUPS = 1000  # in the table for the terminal, which takes a while to lay out


def ranked(result: Report | Comparison) -> list[tuple[Any, float]]:
    """The groups, each with its part in the whole, the largest first.

    For a report that is the share of the excess: the group's weight times what its mean loss is above the overall one,
    over the sum of these products where they are positive. The groups that are worse than all rows together thus share
    100 %, those that are better -100 %. It is nan where nothing exceeds, or an infinite loss hides by how much; such
    groups are in the order of their mean loss.

    For a comparison it is the contribution: the group's weight times its difference, over all weight. Contributions
    add up to the overall difference.
    """
    overall = result.overall
    if isinstance(result, Comparison):
        parts = [group.score.weight * group.score.difference / overall.weight for group in result.groups]
    else:
        parts = [group.score.weight * (group.score.mean_loss - overall.mean_loss) for group in result.groups]
        excess = math.fsum(part for part in parts if part > 0)
        parts = [part / excess if 0 < excess < math.inf else math.nan for part in parts]

    def rank(one: tuple[Any, float]) -> tuple[bool, float]:
        loss = one[0].score.mean_loss
        unknown = math.isnan(loss)  # a group of weight 0 has no mean and comes last
        return unknown, 0.0 if unknown else -loss if math.isnan(one[1]) else -one[1]

    return sorted(zip(result.groups, parts, strict=True), key=rank)


def write_table(result: Report | Comparison, out: TextIO) -> None:
    """The groups and below them all rows together, six digits of each loss; of very many groups the worst."""
    names, overall, groups = _shown(result)
    table = Table(box=box.HORIZONTALS, header_style="bold")
    for column in result.by:
        table.add_column(Text(cell(column)), overflow="fold")
    for name in names:
        table.add_column(_SHOWN[name][0], justify="right", overflow="fold")
    for key, cells in groups[:MOST_GROUPS]:
        table.add_row(*map(Text, key), *cells)  # as Text, because a key in [brackets] is not markup
    table.add_section()
    table.add_row(*_all(result), *overall, style="bold")
    console = Console(file=out)
    if not console.is_terminal:
        console.width = 10_000  # a file has no width to fit, and rich would assume 80 columns
    console.print(table)
    if len(groups) > MOST_GROUPS:
        console.print(f"the first {MOST_GROUPS:,} of {len(groups):,} groups; the other formats have them all")


def write_md(result: Report | Comparison, out: TextIO) -> None:
    """The same as a table in Markdown, with whatever would be markup in a key escaped."""
    names, overall, groups = _shown(result)
    keys = len(result.by)
    lines = [[*map(cell, result.by), *(_SHOWN[name][0] for name in names)]]
    lines += [[*key, *cells] for key, cells in groups]
    lines += [[*_all(result), *overall]]
    for i, line in enumerate(lines):
        line = [re.sub(r"([\\`*_\[\]<>|~&$])", r"\\\1", text) for text in line]
        if i == len(lines) - 1:
            line = [f"**{text}**" if text else "" for text in line]
        out.write(f"| {' | '.join(line)} |\n")
        if i == 0:
            out.write("|---" * keys + "|---:" * len(names) + "|\n")


def write_json(result: Report | Comparison, out: TextIO) -> None:
    """One document. Numbers in full precision; JSON has neither inf nor nan, so both are null."""
    document: dict[str, Any] = {"overall": _finite(_numbers(result.overall)), "by": result.by}
    if not isinstance(result, Comparison):
        document["decomposition"] = _decomposition(result)
    document["groups"] = [
        {"key": dict(zip(result.by, group.key, strict=True)), **_finite(numbers)} for group, numbers in _lines(result)
    ]
    json.dump(document, out, indent=2, allow_nan=False, default=str)  # a date is a key as well
    out.write("\n")


def write_csv(result: Report | Comparison, out: TextIO) -> None:
    """A line for all rows and one for each group, told apart by the first column; numbers in full precision."""
    writer = csv.writer(out, lineterminator="\n")
    names = _names(result)
    overall = _numbers(result.overall)
    writer.writerow(["scope", *result.by, *names])
    writer.writerow(["overall", *[""] * len(result.by), *(overall.get(name, "") for name in names)])
    for group, numbers in _lines(result):
        writer.writerow(["group", *group.key, *(numbers[name] for name in names)])


def table(result: Report | Comparison) -> str:
    """What :func:`write_table` writes, without the last line break."""
    out = io.StringIO()
    write_table(result, out)
    return out.getvalue().rstrip("\n")


def to_arrow(result: Report | Comparison) -> pa.Table:
    """A row for all rows and one for each group, told apart by the first column, `scope`; then keys, then numbers."""
    names, overall = _names(result), _numbers(result.overall)
    rows = [["overall", *[None] * len(result.by), *(overall.get(name) for name in names)]]
    rows += [["group", *group.key, *(numbers[name] for name in names)] for group, numbers in _lines(result)]
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return pa.Table.from_arrays(columns, ["scope", *result.by, *names])


def cell(value: Any) -> str:
    """A name or a key as one printable line: a line break or an escape sequence in it must not reach the terminal."""
    text = "(null)" if value is None else str(value)
    return text if text.isprintable() else repr(text)


def shown(name: str, value: float | None) -> str:
    """A number as the tables for people show it."""
    return "n/a" if value is None or math.isnan(value) else _SHOWN[name][1](value)


def _numbers(score: Any) -> dict[str, float]:
    return dataclasses.asdict(score)


def _lines(result: Report | Comparison) -> Iterator[tuple[Any, dict[str, float]]]:
    part_name = "contribution" if isinstance(result, Comparison) else "excess_share"
    for group, part in ranked(result):
        yield group, _numbers(group.score) | {part_name: part}


def _names(result: Report | Comparison) -> list[str]:
    """The names of all numbers; without groups nothing has a part in the whole."""
    return list(next((numbers for _, numbers in _lines(result)), _numbers(result.overall)))


def _shown(result: Report | Comparison) -> tuple[list[str], list[str], list[tuple[list[str], list[str]]]]:
    """For the tables for people: the columns, the cells for all rows, and the keys and cells of each group."""
    names = [name for name in _names(result) if name in _SHOWN]
    if result.overall.weight == result.overall.rows:
        names.remove("weight")  # there are none
    overall = _numbers(result.overall)
    cells = [shown(name, overall[name]) if name in overall else "" for name in names]
    groups = [
        (list(map(cell, group.key)), [shown(name, numbers[name]) for name in names])
        for group, numbers in _lines(result)
    ]
    return names, cells, groups


def _all(result: Report | Comparison) -> list[str]:
    """The key of all rows."""
    return ["all", *[""] * len(result.by)][: len(result.by)]


def _finite(numbers: dict[str, float]) -> dict[str, float | None]:
    return {name: value if value is not None and math.isfinite(value) else None for name, value in numbers.items()}


def _decomposition(report: Report) -> dict[str, float | None] | None:
    if not len(report.bins.rows):
        return None  # with classes there are none
    from logitloss.evaluate.calibration import (
        decompose,
    )  # SciPy takes a while to import, and the other forms do without

    return _finite(_numbers(decompose(report.overall, report.bins)))
