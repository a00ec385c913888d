"""Checked batches in, a `State` out: rows are counted by all of them, by group, by cluster and by bin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa

from logitloss import _core
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.state.columns import Columns, columns_of, loss_columns, losses_of
from logitloss.evaluate.state.state import MOST_GROUPS_WITH_BINS, State, columns_in
from logitloss.evaluate.state.sums import dense, taken

CHUNK = 1 << 14  # rows whose columns stay in the cache
GROUP_BINS = (32, 512)  # bins for each unit of the logit, and how many of them lie on either side of 0


class Counter:
    """What some batches come to. One thread at a time may use it."""

    def __init__(self, key_types: Sequence[pa.DataType] = (), thresholds: Sequence[float] = ()):
        """No rows; `key_types` are those of the columns to group by, `thresholds` probabilities to count rows above."""
        self._state, self._histogram = State(key_types), _core.Histogram()
        self._losses = self._histogram.losses()  # of lists
        self._thresholds = {one: math.log(one / (1 - one)) if 0 < one < 1 else _end(one) for one in thresholds}

    def update(self, batch: Batch) -> None:
        """Count the rows of a batch in."""
        x, z, w, counts = batch.logits, batch.labels, batch.weights, self._state.counts
        for name in ("zeros", "ones", "between"):
            counts[name] += getattr(batch, name)
        for reason, rows in batch.skipped.items():
            counts[f"skipped: {reason}"] += rows
        if not len(z):
            return
        lists = x.ndim == 2
        counts.update({"lists": len(z) * lists, "weighted": len(z) * (w is not None)})
        counts.update({f"threshold {one!r}": len(z) for one in self._thresholds})
        if not lists:
            hard = z if z.dtype == bool else z.astype(np.float64)
            weights = None if w is None else np.ascontiguousarray(w, np.float64)
            self._histogram.add(np.ascontiguousarray(x), np.ascontiguousarray(hard), weights)
        self._count(batch)

    def finish(self) -> State:
        """All that was counted."""
        state, histogram = self._state, self._histogram
        all_ = histogram.all()
        if all_.rows()[0]:
            state.put("all", [], all_)
            for name, (numbers, sums) in (("bin", histogram.coarse()), ("fine", histogram.fine())):
                state.put(name, [pa.array(numbers)], sums)
        self._put_losses(histogram.losses() + self._losses)
        return state

    def _put_losses(self, rows: np.ndarray) -> None:
        """Numbers of losses by bin."""
        at = np.flatnonzero(rows)
        sums = _core.SumTable(0)
        limb = np.zeros(len(at), np.int32)
        sums.add_limbs(np.arange(len(at), dtype=np.int32), limb - 1, limb, rows[at])
        self._state.put("nats", [pa.array(at + _core.lowest_loss_bin)], sums)

    def _count(self, batch: Batch) -> None:
        """What the histogram does not: groups, clusters, classes, thresholds."""
        x, z, w = batch.logits, batch.labels, batch.weights
        keys = keys_of(batch)
        if x.ndim == 2:
            keys["class"] = [*batch.keys, pa.array(z.astype(np.int64))]
        else:
            del keys["all"]
            if batch.keys:
                keys["group_bin"] = [*batch.keys, pa.array(_bins(x))]
        if self._thresholds:
            keys["threshold"] = batch.keys
        put(self._state, keys, len(z), lambda rows: self._columns(x[rows], z[rows], w if w is None else w[rows]))

    def _columns(self, x: np.ndarray, z: np.ndarray, w: np.ndarray | None) -> Columns:
        if x.ndim == 2:
            loss = losses_of(z, x)
            self._losses += np.bincount(_loss_bins(loss), minlength=len(self._losses))
            columns = loss_columns(loss, w)
        else:
            columns = columns_of(z, x, w)
        one = np.ones(len(z)) if w is None else w.astype(np.float64)
        columns = {"weight": one, "weight2": one * one} | columns
        for threshold, logit in self._thresholds.items():
            at = x >= logit
            columns[f"weight at {threshold!r}"] = np.where(at, one, 0)
            columns[f"label at {threshold!r}"] = np.where(at, columns["label"], 0)
        return columns


def keys_of(batch: Batch) -> dict[str, list]:
    """The keys by which rows are counted in each table."""
    keys: dict[str, list] = {"all": []}
    if batch.keys:
        keys["group"] = batch.keys
    if batch.cluster is not None:
        keys["cluster"] = [*batch.keys, batch.cluster]
    return keys


def put(state: State, keys: dict[str, list], rows: int, columns_of: Callable[[slice], Columns]) -> None:
    """Count rows in the tables, by their keys in each; `columns_of` gives what is added for some of them."""
    codes: dict[str, tuple[np.ndarray, pa.Array]] = {}
    for name, columns in keys.items():  # groups come before their bins
        if name != "group_bin" or len(codes["group"][1]) <= MOST_GROUPS_WITH_BINS:
            codes[name] = dense(columns, rows)
    names = {name: columns_in(name, **state.kind) for name in codes}
    tables = {name: _core.SumTable(len(columns)) for name, columns in names.items()}
    for name, (_, first) in codes.items():
        tables[name].resize(len(first))
    for start in range(0, rows if tables else 0, CHUNK):
        chunk = slice(start, start + CHUNK)
        columns = columns_of(chunk)
        for name, (numbers, _) in codes.items():
            tables[name].add(numbers[chunk], np.stack([columns[one] for one in names[name]], axis=1))
    for name, (_, first) in codes.items():
        state.put(name, taken(keys[name], first), tables[name])


def _bins(x: np.ndarray) -> np.ndarray:
    per_logit, reach = GROUP_BINS
    return np.floor(np.clip(x.astype(np.float64) * per_logit, -reach - 1, reach)).astype(np.int64)


def _loss_bins(loss: np.ndarray) -> np.ndarray:
    """The number, from 0, of the bin from a power of 2 to the next."""
    exponent = np.where(loss > 0, np.frexp(loss)[1] - 1, _core.lowest_loss_bin)
    return np.clip(np.where(np.isinf(loss), 31, exponent) - _core.lowest_loss_bin, 0, 64)


def _end(threshold: float) -> float:
    return -math.inf if threshold <= 0 else math.inf
