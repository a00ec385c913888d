"""Scores over files: what is exact and mergeable does the work, so nothing here depends on order, size or place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from logitloss.evaluate.engine import Progress, key_types, run
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.columns import Columns, Names, columns_of
from logitloss.evaluate.input.read import Opened, Piece, fingerprint, gathered, pieces_of
from logitloss.evaluate.input.sources import Sources, open_sources
from logitloss.evaluate.output import refuse_input
from logitloss.evaluate.plan import Plan, plan_of
from logitloss.evaluate.results import Report
from logitloss.evaluate.state import resume


def score(
    files: Sources,
    *,
    logits: Names | None = None,
    probabilities: Names | None = None,
    labels: Names,
    by: Names = (),
    weights: str | None = None,
    cluster: str | None = None,
    skip_invalid: bool = False,
    max_skipped: float = 0.01,
    state: str | os.PathLike[str] | None = None,
    executor: Executor | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Report:
    """Score the predictions in files or tables of any size.

    Memory is bounded by a few batches and by the number of groups. The result is the same to the last bit for any order
    of the rows and any split into files, batches, threads, processes and machines.

    Columns within structs are named by dots, as in `model.logit`.

    Arguments:
        files: a path, a glob, a folder, an address such as s3://bucket/folder, a table (of PyArrow, Polars, also lazy,
            pandas, DuckDB, or any object with `__arrow_c_stream__`), a PyArrow dataset, a dict of arrays, or several of
            these; they count as one set of rows. Paths end in .parquet, .pq, .arrow, .arrows, .feather, .ipc, .orc,
            .csv, .json (an array of objects, or lines), .jsonl or .ndjson; text may be compressed, as in .csv.gz.
            Folders in a path that are called `column=value` add a column of text. To name a source twice is an error.
        logits: the column of logits: float16 (scored as float32), float32, float64 or decimal, infinities included. In
            a CSV, which has no types, any decimal text, read as float64. Or lists of these, all of one length, with a
            logit for each class; a CSV has no lists. Several columns, each with its labels, are scored together, and by
            the names of the labels.
        probabilities: in the place of `logits`, a column of probabilities from 0 to 1, or of lists of them that sum to
            1. They are converted with all digits they have. The report counts those that are exactly 0 or 1, whose
            logits are infinite.
        labels: the column of labels, each from 0 to 1: bool, integer, float or decimal; in a CSV also true and false.
            Where the logits are lists, integers: the index of the class in the list, from 0.
        by: columns to group by: text, numbers, dates. Keys are values: 1 and 1.0 are one group, and so is an instant in
            whatever unit and zone. A missing key (null, nan, an empty CSV cell) is a group of its own. Keys of a CSV or
            of JSON are the text that stands there, or the value that it stands for where other files have a type.
        weights: a column of weights, from 0 to 1e100; means are then over the sum of the weights.
        cluster: a column that says which rows belong together (a user, a day, a document), such that only rows of
            different clusters are independent.
        skip_invalid: leave rows out that cannot be scored, and count them by reason, instead of raising an error.
        max_skipped: the share of the rows up to which `skip_invalid` leaves rows out; beyond it is an error.
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
    columns = columns_of(logits, probabilities, labels, by, weights, cluster, skip_invalid)
    if not 0 <= max_skipped <= 1:
        raise InputError(f"max_skipped: got {max_skipped!r}, expected a share of the rows, from 0 to 1")
    opened = open_sources(files, columns)
    if not opened:
        raise InputError("no files to score; name at least one")
    plan = plan_of(opened, columns)
    every = pieces_of(opened, plan.classes)
    whole = _begin(opened, every, columns, plan, state)
    left = [piece for piece in every if not all(part in whole.sources[name].done for name, part in piece.parts)]
    pieces = gathered(left, plan.classes)
    try:
        for piece, partial in run(pieces, columns, plan, executor, _share(every, left, pieces, progress)):
            whole.add(piece.parts, partial)
    finally:
        whole.save()
    _refuse_skipped(whole.skipped(), whole.partial.rows, max_skipped)
    return whole.report()


def score_arrays(
    *,
    labels: Any,
    logits: Any = None,
    probabilities: Any = None,
    by: Any = None,
    weights: Any = None,
    cluster: Any = None,
) -> Report:
    """Score predictions in arrays: of NumPy, PyArrow, pandas, Polars, PyTorch on the CPU, or lists.

    Arguments:
        labels, logits, probabilities, weights, cluster: a value for each row, as for :func:`score`; logits and
            probabilities of several classes have a row of as many columns.
        by: an array of keys, or a dict of them by name.

    Raises:
        InputError: as :func:`score` does; errors call the columns as these arguments are called.
    """
    keys = {} if by is None else by if isinstance(by, Mapping) else {"by": by}
    given = {"logits": logits, "probabilities": probabilities, "labels": labels, "weights": weights, "cluster": cluster}
    given = {name: value for name, value in given.items() if value is not None}
    for name in keys:
        if name in given:
            raise InputError(f"by: a key is called {name!r}, as another argument is; rename it")
    names = {name: name for name in given}
    return score({**given, **keys}, **{"labels": "labels", **names}, by=tuple(keys))  # type: ignore[arg-type]


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


def _begin(opened: Sequence[Opened], pieces: Sequence[Piece], columns: Columns, plan: Plan, state: Any) -> resume.Run:
    parts: dict[str, int] = {}
    for piece in pieces:
        for name, part in piece.parts:
            parts[name] = part + 1
    if state is None:
        whole = resume.Run(columns, plan, key_types(columns))
        whole.sources = {name: resume.Progress("", count) for name, count in parts.items()}
        return whole
    described = []
    for source in opened:
        if source.file is None:
            raise InputError(f"{source.name}: a state is kept of files alone; write it to a file, or use no state")
        described.append((source.name, fingerprint(source.file), parts[source.name]))
    refuse_input(state, list(parts))
    return resume.resumed(Path(state), columns, plan, key_types(columns), described)


def _refuse_skipped(reasons: Mapping[str, int], rows: int, most: float) -> None:
    skipped = sum(reasons.values())
    if skipped <= most * (rows + skipped):
        return
    shares = ", ".join(f"{reason} in {count:,}" for reason, count in reasons.items())
    raise InputError(
        f"{skipped:,} of {rows + skipped:,} rows ({skipped / (rows + skipped):.1%}) cannot be scored, more than "
        f"{most:.1%}: {shares}; correct them, or raise --max-skipped (max_skipped=) if they are to be left out"
    )


def _share(
    every: Sequence[Piece],
    left: Sequence[Piece],
    pieces: Sequence[Piece],
    progress: Callable[[int, float], None] | None,
) -> Progress:
    """Rows read of a piece, as all rows read and the share of all bytes that they are."""
    size = {id(piece): (piece.size or piece.rows or 1) << 32 for piece in (*every, *pieces)}  # so that 1 is the end
    whole = sum(size[id(piece)] for piece in every)
    behind, all_rows = whole - sum(size[id(piece)] for piece in left), 0
    rows = dict.fromkeys(size, 0)

    def bytes_read(piece: Piece) -> int:
        return size[id(piece)] * min(rows[id(piece)], piece.rows) // max(1, piece.rows)

    def report(read: int, piece: Piece) -> None:
        nonlocal behind, all_rows
        before = bytes_read(piece)
        rows[id(piece)] += read
        behind, all_rows = behind + bytes_read(piece) - before, all_rows + read
        if progress:
            progress(all_rows, behind / whole)

    return report
