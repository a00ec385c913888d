"""The memory bound: what reading and writing the arrays of a case takes, with as many threads, and nothing computed.

Several loops of NumPy do it, each split into as many chunks as there are threads, since NumPy lets go of the
interpreter's lock: adding two arrays, copying, dot products, maxima, logical sums. Which is fastest depends on the
machine (a copy may bypass the caches on its way out), so all are timed and the fastest is the memory bound.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np

from logitloss.bench.cases import Case

Loop = Callable[[slice], object]


def loops(
    case: Case, logits: np.ndarray, labels: np.ndarray, pool: ThreadPoolExecutor, threads: int
) -> Iterator[tuple[str, Callable[[], object]]]:
    """Give each way to touch the memory of the case a name and a call."""
    if case.op == "call":
        yield floor_of_a_call(logits)
        return
    x, z = logits.reshape(-1), labels
    writes = {"mean": 0, "sparse_forward": 0, "grad_and_hess": 2}.get(case.op, 1)
    reads = [x] if case.op.startswith("sparse") else [x, z]
    outputs = [np.ones_like(x) for _ in range(writes)]
    for name, loop in _loops(reads, outputs):
        yield f"{name}, 1 thread", lambda loop=loop: loop(slice(None))
        if threads > 1 and x.size >= 100_000:
            starts = [x.size * part // (threads * 1024) * 1024 for part in range(threads)]
            chunks = [slice(*ends) for ends in pairwise([*starts, x.size])]
            yield f"{name}, {threads} threads", lambda loop=loop, chunks=chunks: list(pool.map(loop, chunks))


def floor_of_a_call(logits: np.ndarray) -> tuple[str, Callable[[], object]]:
    """The least that a call of few elements costs: a ufunc that computes one exponential each."""
    if importlib.util.find_spec("scipy"):
        expit = importlib.import_module("scipy.special").expit
        return "scipy.special.expit", lambda: expit(logits)
    return "numpy.exp", lambda: np.exp(logits)


def _loops(reads: list[np.ndarray], outputs: list[np.ndarray]) -> Iterator[tuple[str, Loop]]:
    same = len({array.dtype.itemsize for array in reads}) == 1
    if outputs:
        copies = list(zip(outputs, reads[: len(outputs)] if same else [reads[0]] * len(outputs), strict=True))
        rest = reads[len(outputs) :] if same else reads[1:]

        def copy(chunk: slice) -> None:
            for output, source in copies:
                np.copyto(_bits(output)[chunk], _bits(source)[chunk])
            for source in rest:
                np.bitwise_or.reduce(_bits(source)[chunk])

        yield "copy", copy
        if same and len(reads) == 2 and len(outputs) == 1:
            a, b, out = _bits(reads[0]), _bits(reads[1]), _bits(outputs[0])
            yield "add", lambda chunk: np.add(a[chunk], b[chunk], out=out[chunk])
        return
    yield "or", lambda chunk: [np.bitwise_or.reduce(_bits(source)[chunk]) for source in reads]
    yield "max", lambda chunk: [np.maximum.reduce(_bits(source)[chunk]) for source in reads]
    if same and reads[0].dtype.kind == "f" and reads[0].dtype.itemsize >= 4:
        yield "dot", lambda chunk: np.dot(reads[0][chunk], reads[-1][chunk])


def _bits(array: np.ndarray) -> np.ndarray:
    """The array as integers of its width, for which NumPy has vector loops whatever the dtype."""
    return array.view(f"u{array.dtype.itemsize}")
