"""Scores over files: what is exact and mergeable does the work, so nothing here depends on order, size or place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from logitloss.evaluate.engine import run
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.check import Columns
from logitloss.evaluate.input.read import Part
from logitloss.evaluate.input.sources import Source, Stream, sources
from logitloss.evaluate.output import refuse_input
from logitloss.evaluate.plan import Plan, columns_of, plan_of
from logitloss.evaluate.results import Report
from logitloss.evaluate.state import resume


def score(
    files: Any,
    *,
    logits: str | Sequence[str],
    labels: str | Sequence[str],
    by: str | Sequence[str] = (),
    weights: str | None = None,
    probabilities: bool = False,
    skip_invalid: bool = False,
    cluster: str | None = None,
    state: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Report:
    """Score the predictions in files or tables of any size.

    Memory is bounded by a few batches and by the number of groups. The result is the same to the last bit for any order
    of the rows and any split into files, batches, threads, processes and machines.

    Arguments:
        files: a path, a glob, a folder (with the columns that hive names like `day=1` add), an address such as
            s3://bucket/folder, an object with `__arrow_c_stream__` (a table of PyArrow, Polars, DuckDB or pandas 3), or
            several of these; they count as one set of rows. Paths end in .parquet, .pq, .arrow, .feather, .ipc, .orc,
            .csv, .jsonl or .ndjson.
        logits: the column of logits: float16 (scored as float32), float32 or float64, infinities included. In a CSV,
            which has no types, any decimal text, read as float64. Or lists of these, all of one length, with a logit
            for each class; a CSV has no lists. Several columns, each with its labels, are scored together, and by the
            names of the labels.
        labels: the column of labels, each from 0 to 1: bool, integer or float; in a CSV also true and false. Where the
            logits are lists, integers: the index of the class in the list, from 0.
        by: columns to group by: text, numbers, dates. A missing key (null, nan, an empty CSV cell) is a group of its
            own. A CSV's keys are text, and so are those of a column whose type differs between the files.
        weights: a column of weights, from 0 to 1e100; means are then over the sum of the weights.
        probabilities: the logits are probabilities from 0 to 1, converted here with all digits they have. The report
            counts those that are exactly 0 or 1, whose logits are infinite.
        skip_invalid: leave rows out that cannot be scored, and count them, instead of raising an error.
        cluster: a column that says which rows belong together (a user, a day, a document), such that only rows of
            different clusters are independent.
        state: a Parquet file that keeps what is done, written after each file (and each 2^25 logits of a Parquet file).
            Where it exists, its files are not read again, if they have not changed.
        executor: of PEP 3148, such as a process pool or `dask.distributed.Client.get_executor()`: it is given the files
            in parts. Without it, threads of this process do the work.
        progress: called after each batch with the number of rows read and the share of the input behind them.

    Raises:
        InputError: if anything cannot be scored: files that are missing, damaged or without rows, columns that are
            not there, values that are missing, nan, not a number or no label. The text names the file, the column and
            the first such row.
    """
    columns = columns_of(logits, labels, by, weights, probabilities, skip_invalid, cluster)
    opened = list(sources(files, columns))
    if not opened:
        raise InputError("no files to score; name at least one")
    plan = plan_of(opened, columns)
    if len(columns.pairs) > 1:
        plan = replace(plan, key_types=(pa.string(), *plan.key_types))
    parts = [source.parts() for source in opened]
    whole = _begin(opened, parts, columns, plan, state)
    tasks = [
        (source, part)
        for source, of_source in zip(opened, parts, strict=True)
        for part in of_source
        if part.index not in whole.sources[source.name].done
    ]
    every = [part for of_source in parts for part in of_source]
    try:
        for (source, part), partial in run(tasks, plan, executor, _share(every, tasks, progress)):
            whole.add(source.name, part.index, partial)
    finally:
        whole.save()
    return whole.report()


def merge(
    states: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    state: str | os.PathLike[str] | None = None,
    force: bool = False,
) -> Report:
    """Add the states that several runs of `score` kept, on whatever machines, and report the scores of all their rows.

    Arguments:
        states: the files named `state` in these runs.
        state: a file to keep the sum in, which is a state again. It may not be one of `states`.
        force: let the sum take the place of a file that is no state.

    Raises:
        InputError: if a file is no state, was scored with other columns, is not finished, or holds what another holds.
    """
    paths = [states] if isinstance(states, (str, os.PathLike)) else states
    return resume.merged(map(Path, paths), None if state is None else Path(state), force=force).report()


def _begin(
    opened: Sequence[Source | Stream], parts: Sequence[list[Part]], columns: Columns, plan: Plan, state: Any
) -> resume.Run:
    names = [source.name for source in opened]
    if state is None:
        whole = resume.Run(columns, plan)
        whole.sources = {}
        for name, of_source in zip(names, parts, strict=True):
            whole.sources[name] = resume.Progress("", len(of_source))
        return whole
    described = []
    for source, of_source in zip(opened, parts, strict=True):
        if isinstance(source, Stream):
            raise InputError(f"{source.name}: a state is kept of files alone; write it to a file, or use no state")
        if names.count(source.name) > 1:
            raise InputError(f"{source.name}: is named twice; with a state each file counts once")
        described.append((source.name, source.fingerprint(), len(of_source)))
    refuse_input(state, names)
    return resume.resumed(Path(state), columns, plan, described)


def _share(
    every: Sequence[Part], tasks: Sequence[tuple[Source | Stream, Part]], progress: Callable[[int, float], None] | None
) -> Callable[[int, Part], None]:
    """Rows read of a part, as all rows read and the share of all bytes that they are."""
    size = {id(part): (part.bytes or part.rows) << 32 for part in every}  # integers, so that the end is exactly 1
    whole = max(1, sum(size.values()))
    behind, all_rows = sum(size.values()) - sum(size[id(part)] for _, part in tasks), 0
    rows = dict.fromkeys(size, 0)

    def bytes_read(part: Part) -> int:
        return size[id(part)] * min(rows[id(part)], part.rows) // max(1, part.rows)

    def report(read: int, part: Part) -> None:
        nonlocal behind, all_rows
        before = bytes_read(part)
        rows[id(part)] += read
        behind, all_rows = behind + bytes_read(part) - before, all_rows + read
        if progress:
            progress(all_rows, behind / whole)

    return report
