"""Two models on the same rows: the difference of their losses, row by row, and whether it is too much.

The rows are read in lockstep, so the losses of a row are paired and what makes it hard cancels: the standard error of
the mean difference is most often far smaller than that of either mean loss.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.input.check import Checker
from logitloss.evaluate.input.columns import Columns as ReadColumns
from logitloss.evaluate.input.columns import Names, columns_of
from logitloss.evaluate.input.read import Opened, pieces_of, raw_batches
from logitloss.evaluate.input.sources import Sources, open_sources
from logitloss.evaluate.plan import Plan, plan_of
from logitloss.evaluate.results import Comparison
from logitloss.evaluate.state.columns import Columns, loss_columns, losses_of
from logitloss.evaluate.state.compute import differences
from logitloss.evaluate.state.count import keys_of, put
from logitloss.evaluate.state.state import State

_SAME = "the two must hold the same rows in the same order"


def count(state: State, batch: Batch, others: np.ndarray) -> None:
    """Count the rows of a batch in, each with the logit, or the list of logits, of another model."""
    w, rows = batch.weights, len(batch.labels)
    state.counts.update({"pairs": rows, "weighted": rows * (w is not None)})

    def columns(chunk: slice) -> Columns:
        mine, other = (losses_of(batch.labels[chunk], one[chunk]).astype(np.float64) for one in (batch.logits, others))
        with np.errstate(invalid="ignore"):  # inf - inf
            difference = mine - other
        weights = w if w is None else w[chunk]
        losses = {"mine": loss_columns(mine, weights)["loss"], "other": loss_columns(other, weights)["loss"]}
        return loss_columns(difference, weights) | losses

    put(state, keys_of(batch), rows, columns)


def compare(
    files: Sources,
    other: Sources | None = None,
    *,
    logits: str | None = None,
    probabilities: str | None = None,
    labels: str,
    other_logits: str | None = None,
    other_probabilities: str | None = None,
    by: Names = (),
    weights: str | None = None,
    cluster: str | None = None,
    progress: Callable[[int, float], None] | None = None,
) -> Comparison:
    """Compare two models on the same rows.

    Arguments:
        files, logits, probabilities, labels, by, weights, cluster, progress: as for
            :func:`~logitloss.evaluate.score`.
        other: the predictions to compare with, of the same rows in the same order, however they are split into files;
            without it they are in `files`, in another column.
        other_logits, other_probabilities: their column of logits, or of probabilities; without both, the column of
            the same name and kind.

    Raises:
        InputError: where either cannot be scored, or where they do not hold the same labels in the same order. What
            cannot be scored is never skipped, because its partner would have to be.
    """
    if other_logits is not None and other_probabilities is not None:
        raise InputError("name other_logits or other_probabilities, and not both")
    if other_logits is None and other_probabilities is None:
        other_logits, other_probabilities = logits, probabilities
    first, second = (logits, probabilities), (other_logits, other_probabilities)
    if other is None and first == second:
        raise InputError("compared with itself; name another file, or another column of predictions in this one")
    together = other is None and (logits is None) == (other_logits is None)  # then one pass reads both columns
    if together:
        columns = columns_of(*_both_of(first, second), (labels, labels), by, weights, cluster)
        theirs_columns, mine, theirs = None, open_sources(files, columns), []
    else:
        columns, theirs_columns = columns_of(*first, labels, by, weights, cluster), columns_of(*second, labels)
        mine, theirs = open_sources(files, columns), open_sources(files if other is None else other, theirs_columns)
    if not mine or not (together or theirs):
        raise InputError("no files to compare; name at least one of each")
    plan = plan_of(mine, columns, theirs)
    if theirs_columns is None:
        rows = _both(mine, columns, plan)
    else:
        rows = _lockstep(_batches(mine, columns, plan), _batches(theirs, theirs_columns, plan))

    state, done = State([pa.string()] * len(columns.by)), 0
    expected = max(1, sum(source.rows for source in mine))
    for batch, others in rows:
        count(state, batch, others)
        done += len(batch.labels)
        if progress:
            progress(done, min(1.0, done / expected))
    overall, groups = differences(state)
    return Comparison(
        overall,
        columns.by,
        groups,
        tuple(source.name for source in mine),
        tuple(source.name for source in theirs or mine),
        cluster,
    )


def _both_of(first: Sequence[str | None], second: Sequence[str | None]) -> tuple[Any, Any]:
    """Two columns of logits and none of probabilities, or the reverse."""
    logits, probabilities = zip(first, second, strict=True)
    return (logits, None) if probabilities == (None, None) else (None, probabilities)


@dataclass
class _Rest:
    """What is left of a batch, and where it stands."""

    name: str
    row: int
    batch: Batch

    def take(self, rows: int) -> Batch:
        taken = _slice(self.batch, slice(rows))
        self.row, self.batch = self.row + rows, _slice(self.batch, slice(rows, None))
        return taken


def _slice(batch: Batch, rows: slice) -> Batch:
    weights = batch.weights if batch.weights is None else batch.weights[rows]
    keys = [column[rows] for column in batch.keys]
    cluster = batch.cluster if batch.cluster is None else batch.cluster[rows]
    logits, labels = batch.logits[rows], batch.labels[rows]
    return replace(batch, logits=logits, labels=labels, weights=weights, keys=keys, cluster=cluster)


def _batches(opened: Iterable[Opened], columns: ReadColumns, plan: Plan) -> Iterator[_Rest]:
    checker = Checker(columns, plan.classes, plan.likes)
    for piece in pieces_of(opened, plan.classes):
        for raw in raw_batches(piece, plan.classes, columns.skip_invalid):
            for checked in checker.batches(raw):
                yield _Rest(*raw.locate(0), checked)


def _both(opened: Iterable[Opened], columns: ReadColumns, plan: Plan) -> Iterator[tuple[Batch, np.ndarray]]:
    """The batches with the logits in the second column; the first key tells the columns apart, and both are here."""
    rests = _batches(opened, columns, plan)
    for one, two in zip(rests, rests, strict=True):
        yield replace(one.batch, keys=one.batch.keys[1:]), two.batch.logits


def _lockstep(mine: Iterator[_Rest], theirs: Iterator[_Rest]) -> Iterator[tuple[Batch, np.ndarray]]:
    """Pieces of batches with the logits of the other side for the same rows."""
    one, two = next(mine, None), next(theirs, None)
    while one and two:
        rows = min(len(one.batch.labels), len(two.batch.labels))
        here, there, batch, other = one.row, two.row, one.take(rows), two.take(rows)
        unequal = batch.labels != other.labels
        if unequal.any():
            at = int(np.argmax(unequal))
            raise InputError(
                f"{two.name}: row {there + at + 1} has the label {other.labels[at]}, row {here + at + 1} of {one.name} "
                f"has {batch.labels[at]}; {_SAME}"
            )
        yield batch, other.logits
        one = one if len(one.batch.labels) else next(mine, None)
        two = two if len(two.batch.labels) else next(theirs, None)
    longer = one or two
    if longer:
        raise InputError(f"{longer.name}: row {longer.row + 1} has no partner; {_SAME}")
