"""Where the work is done: in threads here, or part by part by any executor of PEP 3148, on a cluster too.

A part is read, checked and counted into a `State`. What comes back is merged once for each part, so that a part that
a scheduler runs twice, because a worker died, counts once.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed

import pyarrow as pa

import logitloss
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.input.check import Columns
from logitloss.evaluate.input.keys import encode
from logitloss.evaluate.input.read import File, Part, Source
from logitloss.evaluate.plan import Plan, Readable
from logitloss.evaluate.state.count import Counter
from logitloss.evaluate.state.state import State

PIECE_ROWS = 1 << 17


Task = tuple[Readable, Part]


def run(
    tasks: Sequence[Task], plan: Plan, executor: Executor | None, progress: Callable[[int, Part], None]
) -> Iterator[tuple[Task, State]]:
    """The partial states of the tasks, as they are done; `progress` gets the rows read since the last call."""
    if executor is None:
        with ThreadPoolExecutor(threads := logitloss.get_num_threads()) as pool:
            for source, part in tasks:
                yield (source, part), _threaded(source, part, plan, pool, threads, progress)
        return
    futures = {}
    for source, part in tasks:
        if not isinstance(source, Source):
            raise InputError(f"{source.name}: cannot be sent to an executor; write it to a file, or use none")
        futures[executor.submit(_remote, source.file, source.columns, part, plan)] = source, part
    try:
        for future in as_completed(list(futures)):
            source, part = futures.pop(future)
            partial = future.result()
            progress(partial.rows, part)
            yield (source, part), partial
    finally:
        for future in futures:
            future.cancel()


def _threaded(
    source: Readable, part: Part, plan: Plan, pool: Executor, threads: int, progress: Callable[[int, Part], None]
) -> State:
    """One part, its batches read here and counted by the threads of the pool, a few of them under way."""
    counters, idle, under_way = [], [], collections.deque()

    def count(row: int, batch: pa.RecordBatch) -> int:
        try:
            counter = idle.pop()
        except IndexError:
            counters.append(counter := Counter(_texts(source, plan)))
        _count(counter, source, row, batch, plan)
        idle.append(counter)
        return len(batch)

    try:
        for row, batch in source.batches(part):
            under_way.append(pool.submit(count, row, batch))
            if len(under_way) > threads:
                progress(under_way.popleft().result(), part)
        while under_way:
            progress(under_way.popleft().result(), part)
    finally:
        for future in under_way:
            future.cancel()
    state = State(_texts(source, plan))
    for counter in counters:
        state.merge(counter.finish())
    return state


def _remote(file: File, columns: Columns, part: Part, plan: Plan) -> State:
    """One part, from nothing but its description."""
    source = Source(file, columns)
    counter = Counter(_texts(source, plan))
    for row, batch in source.batches(part):
        _count(counter, source, row, batch, plan)
    return counter.finish()


def _texts(source: Readable, plan: Plan) -> list[pa.DataType]:
    clusters = source.checker.columns.cluster is not None
    return [pa.string()] * (len(plan.key_types) - clusters)


def _count(counter: Counter, source: Readable, row: int, batch: pa.RecordBatch, plan: Plan) -> None:
    """Check the rows of a batch and count them, in pieces that stay in the cache; keys cost less all at once."""
    size = len(batch) if plan.key_types else PIECE_ROWS
    for start in range(0, len(batch), size):
        piece = batch.slice(start, size)
        for checked in source.checker.batches(piece, row + start, plan.key_types, plan.classes):
            skipped = {"invalid": checked.skipped} if checked.skipped else {}
            keys = [encode(column) for column in checked.keys]
            cluster = None if checked.cluster is None else encode(checked.cluster)
            rest = (checked.labels, checked.weights, keys, cluster, skipped, checked.zeros, checked.ones)
            counter.update(Batch(checked.logits, *rest))
