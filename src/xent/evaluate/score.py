"""Scores over files: one exact state for all rows and one for each group, fed batch by batch.

A state holds exact sums, so the scores are the same to the last bit whatever the order of the rows, the size of the
batches or the split into files.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from xent.evaluate.read import Batch, InputError, Source
from xent.evaluate.results import Bins, Group, Key, Losses, Report, Score
from xent.evaluate.state import State

__all__ = ["Bins", "Group", "Key", "Losses", "Report", "Score", "State", "score"]


def score(
    files: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    logits: str,
    labels: str,
    by: Sequence[str] = (),
    progress: Callable[[int, float], None] | None = None,
) -> Report:
    """Score the predictions in Parquet, CSV or Arrow files.

    Memory is bounded by a few batches and by the number of groups, whatever the size of the files.

    Arguments:
        files: paths that end in .parquet, .pq, .csv, .arrow, .feather or .ipc; they count as one set of rows.
        logits: the column of logits: float16, float32 or float64, infinities included. In a CSV, which has no types,
            any decimal text, read as float64. Or lists of these, all of one length, with a logit for each class; a CSV
            has no lists.
        labels: the column of labels, each from 0 to 1: bool, integer or float; in a CSV also true and false. Where the
            logits are lists, integers: the index of the class in the list, from 0.
        by: columns to group by: text, numbers, dates. A missing key (null, nan, an empty CSV cell) is a group of its
            own. A CSV's keys are text, and so are those of a column whose type differs between the files.
        progress: called after each batch with the number of rows read and the share of the input behind them.

    Raises:
        InputError: if anything cannot be scored: files that are missing, damaged or without rows, columns that are
            not there, values that are missing, nan, not a number or no label. The text names the file, the column and
            the first such row.
    """
    if len({logits, labels}) < 2 or len(set(by)) < len(by):
        raise InputError(f"columns named twice: logits {logits!r}, labels {labels!r}, by {list(by)!r}; name each once")
    paths = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    if not paths:
        raise InputError("no files to score; name at least one")
    sources = [Source(Path(path), logits=logits, labels=labels, by=by) for path in paths]
    classes = _classes(sources)
    key_types = [kinds.pop() if len(kinds) == 1 else pa.string() for kinds in _kinds(sources, len(by))]

    overall, groups = State(), {}
    rows, bytes_behind, all_bytes = 0, 0, sum(source.bytes for source in sources)
    for source in sources:
        rows_before = rows
        for batch in source.batches(key_types, classes):
            overall.update(batch.labels, batch.logits)
            for key, group_labels, group_logits in _split(batch) if by else ():
                if key not in groups:
                    groups[key] = State(bins=False)
                groups[key].update(group_labels, group_logits)
            rows += len(batch.logits)
            if progress:
                share = min(1.0, (rows - rows_before) / source.expected_rows)
                progress(rows, (bytes_behind + share * source.bytes) / all_bytes)
        bytes_behind += source.bytes

    return Report(
        overall.compute(),
        tuple(by),
        tuple(Group(key, groups[key].compute()) for key in _in_order(groups)),
        overall.bins(),
        overall.losses(),
        tuple(source.name for source in sources),
        logits,
        labels,
    )


def _classes(sources: Sequence[Source]) -> int | None:
    """The length of the first list of logits; None where the logits are numbers."""
    first = sources[0]
    for source in sources:
        if (source.classes is None) != (first.classes is None):
            got, expected = ("numbers", "lists") if source.classes is None else ("lists", "numbers")
            raise InputError(
                f"{source.name}: column {source.logits!r}: got {got}, expected {expected} as in {first.name}; "
                "score these files apart"
            )
    return first.classes


def _kinds(sources: Sequence[Source], columns: int) -> list[set[pa.DataType]]:
    return [{source.key_types()[i] for source in sources} for i in range(columns)]


def _split(batch: Batch) -> Iterator[tuple[Key, np.ndarray, np.ndarray]]:
    """The batch's rows, group by group: one sort, then slices, so that many groups cost no more than their number."""
    group = batch.keys[0].indices.to_numpy()
    for keys in batch.keys[1:]:
        # Made dense after each column, or the product of the columns' sizes could overflow.
        group = group.astype(np.int64) * len(keys.dictionary) + keys.indices.to_numpy()
        _, group = np.unique(group, return_inverse=True)
    order = np.argsort(group)
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    first_rows = order[starts]
    values = [keys.dictionary.take(keys.indices.take(pa.array(first_rows))).to_pylist() for keys in batch.keys]
    labels, logits = batch.labels[order], batch.logits[order]
    for key, start, stop in zip(zip(*values, strict=True), starts, [*starts[1:], len(order)], strict=True):
        yield key, labels[start:stop], logits[start:stop]


def _in_order(keys: Iterable[Key]) -> list[Key]:
    """The keys sorted column by column: by value where all are numbers (also as text: a CSV's months), nulls last."""
    keys = list(keys)
    numeric = [all(value is None or _is_number(value) for value in column) for column in zip(*keys, strict=True)]

    def rank(key: Key) -> tuple:
        return tuple(
            (True,) if value is None else (False, float(value) if number else 0.0, value)
            for value, number in zip(key, numeric, strict=True)
        )

    return sorted(keys, key=rank)


def _is_number(value: Any) -> bool:
    try:
        return not math.isnan(float(value))
    except ValueError:
        return False
