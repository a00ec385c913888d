"""A report or a comparison for programs, all digits of it: a dict, JSON, CSV, an Arrow table.

Groups come in the order of `ranked`, the worst first. Nothing here names a file or a time: equal data give equal text.
"""

from __future__ import annotations

import csv
import json
import math
from typing import Any, TextIO

import pyarrow as pa

from logitloss.evaluate.display.ranking import lines, names_of, numbers_of
from logitloss.evaluate.results import Comparison, Report


def to_dict(result: Report | Comparison) -> dict[str, Any]:
    """The document that `write_json` writes, with keys and numbers as they are."""
    document: dict[str, Any] = {"overall": numbers_of(result.overall), "by": list(result.by)}
    if isinstance(result, Report):
        document["decomposition"] = _decomposition(result)
    document["groups"] = [
        {"key": dict(zip(result.by, group.key, strict=True)), **numbers} for group, numbers in lines(result)
    ]
    return document


def write_json(result: Report | Comparison, out: TextIO) -> None:
    """One document. Numbers in full precision; JSON has neither inf nor nan, so both are null."""
    json.dump(_finite(to_dict(result)), out, indent=2, allow_nan=False, default=str)  # a date is a key as well
    out.write("\n")


def write_csv(result: Report | Comparison, out: TextIO) -> None:
    """A line for all rows and one for each group, told apart by the first column; numbers in full precision."""
    writer = csv.writer(out, lineterminator="\n")
    names = names_of(result)
    overall = numbers_of(result.overall)
    writer.writerow(["scope", *result.by, *names])
    writer.writerow(["overall", *[""] * len(result.by), *(overall.get(name, "") for name in names)])
    for group, numbers in lines(result):
        writer.writerow(["group", *group.key, *(numbers[name] for name in names)])


def to_arrow(result: Report | Comparison) -> pa.Table:
    """A row for all rows and one for each group, told apart by the first column, `scope`; then keys, then numbers."""
    names, overall = names_of(result), numbers_of(result.overall)
    rows = [["overall", *[None] * len(result.by), *(overall.get(name) for name in names)]]
    rows += [["group", *group.key, *(numbers[name] for name in names)] for group, numbers in lines(result)]
    columns = [_column(column) for column in zip(*rows, strict=True)]
    return pa.Table.from_arrays(columns, ["scope", *result.by, *names])


def _column(values: tuple[Any, ...]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):  # keys of several kinds have no type in common but text
        return pa.array([None if value is None else str(value) for value in values])


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _decomposition(report: Report) -> dict[str, float] | None:
    if not len(report.bins.rows):
        return None  # with classes there are none
    from logitloss.evaluate.calibration import decompose  # SciPy takes long to import, and the other forms do without

    return numbers_of(decompose(report.overall, report.bins))
