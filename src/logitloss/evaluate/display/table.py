"""A report or a comparison as a table for people, in the terminal or in Markdown; the worst group comes first."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from typing import Any, TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from logitloss.evaluate.display.ranking import lines, names_of, numbers_of_all
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
    "contribution": ("contribution", "{:+#.3g}".format),
    "contribution_standard_error": ("± std error", "{:#.2g}".format),
}

MOST_GROUPS = 1000  # in the table for the terminal, which takes a while to lay out


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
    terminal = out.isatty()
    width = None if terminal else 10_000  # a file has no width to fit, and rich would assume 80 columns
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=terminal, width=width)
    console.print(table)
    if len(groups) > MOST_GROUPS:
        console.print(f"the first {MOST_GROUPS:,} of {len(groups):,} groups; the other formats have them all")
    for line in _confusions(result):
        console.print(line, highlight=False)
    out.write(drawn.getvalue())  # at once, and not by rich, which ends the process if a reader has seen enough


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
    for line in _confusions(result):
        out.write(f"\n{line}\n")


def _confusions(result: Report | Comparison) -> list[str]:
    """A line for each threshold."""
    return [
        f"predicted from {one.threshold:g}: {one.true_positives:,.10g} true and {one.false_positives:,.10g} false "
        f"positives; below: {one.true_negatives:,.10g} true and {one.false_negatives:,.10g} false negatives"
        for one in (result.confusions if isinstance(result, Report) else ())
    ]


def table(result: Report | Comparison) -> str:
    """What :func:`write_table` writes, without the last line break."""
    out = io.StringIO()
    write_table(result, out)
    return out.getvalue().rstrip("\n")


def cell(value: Any) -> str:
    """A name or a key as one printable line: a line break or an escape sequence in it must not reach the terminal."""
    text = "(null)" if value is None else str(value)
    return text if text.isprintable() else repr(text)


def shown(name: str, value: float | None) -> str:
    """A number as the tables for people show it."""
    return "n/a" if value is None or math.isnan(value) else _SHOWN[name][1](value)


def _shown(result: Report | Comparison) -> tuple[list[str], list[str], list[tuple[list[str], list[str]]]]:
    """For the tables for people: the columns, the cells for all rows, and the keys and cells of each group."""
    names = [name for name in names_of(result, of_bins=False) if name in _SHOWN]
    if result.overall.weight == result.overall.rows:
        names.remove("weight")  # there are none
    overall = numbers_of_all(result, of_bins=False)
    cells = [shown(name, overall[name]) if name in overall else "" for name in names]
    groups = [
        (list(map(cell, group.key)), [shown(name, numbers[name]) for name in names])
        for group, numbers in lines(result, of_bins=False)
    ]
    return names, cells, groups


def _all(result: Report | Comparison) -> list[str]:
    """The key of all rows."""
    return ["all", *[""] * len(result.by)][: len(result.by)]
