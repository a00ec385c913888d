"""Where the work is done: in threads here, or piece by piece by any executor of PEP 3148, on a cluster too.

A piece is read, checked and counted into a `State`. What comes back is merged once for each piece, so that one that a
scheduler runs twice, because a worker died, counts once.
"""

from __future__ import annotations

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed

import pyarrow as pa

import logitloss
from logitloss.evaluate.errors import InputError
from logitloss.evaluate.input.check import Checker, Raw
from logitloss.evaluate.input.columns import Columns
from logitloss.evaluate.input.read import Piece, raw_batches
from logitloss.evaluate.plan import Plan
from logitloss.evaluate.state.count import Counter
from logitloss.evaluate.state.state import State

PIECE_ROWS = 1 << 17

Progress = Callable[[int, Piece], None]


def key_types(columns: Columns) -> tuple[pa.DataType, ...]:
    """The types of the keys in a state: canonical text."""
    return (pa.string(),) * len(columns.keys)


def run(
    pieces: Sequence[Piece], columns: Columns, plan: Plan, executor: Executor | None, progress: Progress
) -> Iterator[tuple[Piece, State]]:
    """The partial states of the pieces, as they are done; `progress` gets the rows read since the last call."""
    if executor is None:
        with ThreadPoolExecutor(threads := logitloss.get_num_threads()) as pool:
            for piece in pieces:
                yield piece, _threaded(piece, columns, plan, pool, threads, progress)
        return
    for piece in pieces:
        if piece.sources[0].file is None:
            raise InputError(
                f"{piece.sources[0].name}: cannot be sent to an executor; write it to a file, or use no executor"
            )
    futures = {executor.submit(_remote, piece, columns, plan): piece for piece in pieces}
    try:
        for future in as_completed(list(futures)):
            piece = futures.pop(future)
            partial = future.result()
            progress(partial.rows, piece)
            yield piece, partial
    finally:
        for future in futures:
            future.cancel()


def _threaded(piece: Piece, columns: Columns, plan: Plan, pool: Executor, threads: int, progress: Progress) -> State:
    """One piece, its batches read here and counted by the threads of the pool, a few of them under way."""
    checker = Checker(columns, plan.classes, plan.likes)
    counters, idle, under_way = [], [], collections.deque()

    def count(raw: Raw) -> int:
        try:
            counter = idle.pop()
        except IndexError:
            counters.append(counter := Counter(key_types(columns)))
        _count(counter, checker, raw, columns)
        idle.append(counter)
        return len(raw.batch)

    try:
        for raw in raw_batches(piece, plan.classes, columns.skip_invalid):
            under_way.append(pool.submit(count, raw))
            if len(under_way) > threads:
                progress(under_way.popleft().result(), piece)
        while under_way:
            progress(under_way.popleft().result(), piece)
    finally:
        for future in under_way:
            future.cancel()
    state = State(key_types(columns))
    for counter in counters:
        state.merge(counter.finish())
    return state


def _remote(piece: Piece, columns: Columns, plan: Plan) -> State:
    """One piece, from nothing but its description."""
    checker, counter = Checker(columns, plan.classes, plan.likes), Counter(key_types(columns))
    for raw in raw_batches(piece, plan.classes, columns.skip_invalid):
        _count(counter, checker, raw, columns)
    return counter.finish()


def _count(counter: Counter, checker: Checker, raw: Raw, columns: Columns) -> None:
    """Check the rows of a batch and count them, in pieces that stay in the cache; keys cost less all at once."""
    size = max(1, len(raw.batch) if columns.grouping else PIECE_ROWS)
    for start in range(0, len(raw.batch), size):
        for checked in checker.batches(raw, start, start + size):
            counter.update(checked)
