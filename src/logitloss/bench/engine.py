"""Verify every implementation of a case, then time all of them in interleaved rounds."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from logitloss import _core
from logitloss.bench import memory_bound
from logitloss.bench.cases import Case, WrongResult, draw, expected, size_of, verify
from logitloss.bench.implementations import Loaded

LEAST, MOST = 5, 25
"""Rounds of one case."""
SAMPLE = 1_000_000
"""Nanoseconds that one timing of a small case lasts at least; calls that are shorter are repeated."""
LARGE = 4_000_000
"""Elements from which on a call is timed alone: the caches hold nothing of the one before."""
PAUSE = 0.005
"""Seconds before each timing, in which the threads of the one before come to rest: some spin when they are done."""


class Row(NamedTuple):
    """What one implementation took in one case."""

    op: str
    dtype: str
    labels: str
    size: str
    threads: int
    isa: str
    """The instruction set that logitloss used; those of the peers are their own."""
    implementation: str
    ns_median: float
    """Nanoseconds per element, the median over the rounds."""
    ns_best: float
    ratio: float
    """To the memory bound of the same round, the median over the rounds."""
    ratio_best: float
    """Of the best rounds of both."""
    rounds: int
    version: str
    """Of the package; for the memory bound, the loop that was fastest."""


def measure(
    case: Case, loaded: Iterable[Loaded], threads: int, seconds: float, note: Callable[[str], None] = lambda text: None
) -> list[Row]:
    """Time the memory bound and all implementations that know this case.

    Parameters
    ----------
    case : Case
        What to compute.
    loaded : iterable of Loaded
        The implementations, see :func:`logitloss.bench.implementations.load`.
    threads : int
        How many threads all of them use; they have been told.
    seconds : float
        After this time no new round begins, if there were five.
    note : callable
        Is told why a peer was left out.

    Returns
    -------
    list of Row
        The memory bound first, then the implementations in their order.

    Raises
    ------
    WrongResult
        If logitloss's result is not that of the definition. A peer whose result is not is left out.
    """
    logits, labels = draw(case)
    want = expected(case, logits, labels)
    runs: dict[str, Callable[[], object]] = {}
    versions = {}
    for name, version, prepare in loaded:
        if case.only and name not in case.only:
            continue
        try:
            prepared = prepare(case, logits, labels)
            if prepared is None:
                continue
            verify(case, name, prepared.fetch(prepared.run()), want)
        except Exception as error:  # what a framework may raise has no common base
            if name == "logitloss":
                raise
            note(str(error) if isinstance(error, WrongResult) else f"{name} on {case}: {type(error).__name__}: {error}")
            continue
        runs[name], versions[name] = prepared.run, version
    with ThreadPoolExecutor(threads) as pool:
        bounds = dict(memory_bound.loops(case, logits, labels, pool, threads))
        times = interleave(bounds | runs, seconds, repeat=math.prod(case.shape) < LARGE)
    fastest = min(bounds, key=lambda name: min(times[name]))
    named = {"memory bound": (times[fastest], fastest), **{name: (times[name], versions[name]) for name in runs}}
    elements = math.prod(case.shape)
    return [
        Row(
            *(case.op, case.dtype, case.labels, size_of(case.shape), threads, _core.isa(), name),
            ns_median=statistics.median(own) / elements,
            ns_best=min(own) / elements,
            ratio=float(np.median(np.divide(own, times[fastest]))),
            ratio_best=min(own) / min(times[fastest]),
            rounds=len(own),
            version=version,
        )
        for name, (own, version) in named.items()
    ]


def interleave(
    runs: Mapping[str, Callable[[], object]],
    seconds: float,
    repeat: bool = True,
    clock: Callable[[], int] = time.perf_counter_ns,
    pause: Callable[[float], object] = time.sleep,
) -> dict[str, list[float]]:
    """Call each in turn, round after round, and return the nanoseconds of a call for each round.

    With ``repeat`` each turn begins with a call that is not timed, and a short call is repeated until it can be.
    """
    repeats = dict.fromkeys(runs, 1)
    if repeat:
        for name, run in runs.items():
            run()  # the first call of a kind is slow
            begin = clock()
            run()
            repeats[name] = max(1, min(10_000, SAMPLE // max(1, clock() - begin)))
    times: dict[str, list[float]] = {name: [] for name in runs}
    start = clock()
    for done in range(MOST):
        if done >= LEAST and clock() - start > seconds * 1e9:
            break
        for name, run in runs.items():
            count = range(repeats[name])
            pause(PAUSE)
            if repeat:
                run()
            begin = clock()
            for _ in count:
                run()
            times[name].append((clock() - begin) / len(count))
    return times
