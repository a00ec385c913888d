"""A report or a comparison for programs, all digits of it: a dict, JSON, CSV, an Arrow table.

Groups come in the order of `ranked`, the worst first. Nothing here names a file or a time: equal data give equal text.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from typing import Any, TextIO

import pyarrow as pa

from logitloss.evaluate.display.ranking import lines, names_of, numbers_of_all
from logitloss.evaluate.results import Comparison, Report

_TYPES = {"rows": pa.int64(), "clusters": pa.int64(), "identical": pa.bool_()}  # the other numbers are fractions


def to_dict(result: Report | Comparison) -> dict[str, Any]:
    """The document that `write_json` writes, with keys and numbers as they are."""
    document: dict[str, Any] = {
        "overall": numbers_of_all(result, of_bins=True),
        "by": list(result.by),
        "cluster": result.cluster,
    }
    if isinstance(result, Report):
        parts = result.decomposition
        document["decomposition"] = None if parts is None else dataclasses.asdict(parts)
        document["loss_shares"] = result.loss_shares
        document |= {"skipped": dict(result.skipped), "zeros": result.zeros, "ones": result.ones}
    document["groups"] = [
        {"key": dict(zip(result.by, group.key, strict=True)), **numbers}
        for group, numbers in lines(result, of_bins=True)
    ]
    return document


def write_json(result: Report | Comparison, out: TextIO) -> None:
    """One document. Numbers in full precision; JSON has neither inf nor nan, so both are null."""
    json.dump(_finite(to_dict(result)), out, indent=2, allow_nan=False, default=str)  # a date is a key as well
    out.write("\n")


def write_csv(result: Report | Comparison, out: TextIO) -> None:
    """A line for all rows and one for each group, told apart by the first column; numbers in full precision."""
    writer = csv.writer(out, lineterminator="\n")
    names = names_of(result, of_bins=True)
    overall = numbers_of_all(result, of_bins=True)
    writer.writerow(["scope", *result.by, *names])
    writer.writerow(["overall", *[""] * len(result.by), *(overall.get(name, "") for name in names)])
    for group, numbers in lines(result, of_bins=True):
        writer.writerow(["group", *group.key, *(numbers.get(name) for name in names)])


def to_arrow(result: Report | Comparison) -> pa.Table:
    """A row for all rows and one for each group, told apart by the first column, `scope`; then keys, then numbers."""
    names, overall = names_of(result, of_bins=True), numbers_of_all(result, of_bins=True)
    rows = [["overall", *[None] * len(result.by), *(overall.get(name) for name in names)]]
    rows += [
        ["group", *group.key, *(numbers.get(name) for name in names)] for group, numbers in lines(result, of_bins=True)
    ]
    scope, *columns = zip(*rows, strict=True)
    keys, numbers = columns[: len(result.by)], columns[len(result.by) :]
    arrays = [pa.array(scope), *map(_keys, keys)]
    arrays += [pa.array(column, _TYPES.get(name, pa.float64())) for name, column in zip(names, numbers, strict=True)]
    return pa.Table.from_arrays(arrays, ["scope", *result.by, *names])


def _keys(values: tuple[Any, ...]) -> pa.Array:
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
