"""Time the CUDA kernels beside PyTorch's losses and Liger's: `python benchmarks/gpu.py`, minutes on an idle GPU.

The results of every implementation are verified; then all are timed in turn, round after round, together with a copy on
the same device. The memory bound is the time in which that copy would move the fewest bytes that a loss must read and
write; the fraction of the bandwidth is this bound over the time taken, as the median over the rounds. Errors are the
largest over the zones of `logitloss accuracy`, for the sigmoid with hard labels, in units in the last place. The lines
go to benchmarks/results/<device>/gpu/<date>.csv, case by case.
"""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import importlib.util
import re
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch

import logitloss.torch
from logitloss.accuracy import SOFTMAX_ZONES, available_dtypes, sweep
from logitloss.accuracy.peers import Implementation, with_torch
from logitloss.bench import Case, WrongResult
from logitloss.bench.cases import draw, expected, size_of, verify
from logitloss.bench.frameworks import torch as prepare_with

RESULTS = Path(__file__).parent / "results"
ROUNDS = 5
ELEMENTS = 2**27  # far beyond any cache, and long beside the launch of a kernel
ROWS = ((4096, 32768), (2**20, 128))
DTYPES = tuple(dtype for dtype in ("float32", "bfloat16") if dtype in available_dtypes())
CASES = (
    *(Case(op, dtype, "hard", (ELEMENTS,)) for dtype in DTYPES for op in ("forward", "mean_and_grad")),
    *(
        Case(op, dtype, "class", shape)
        for dtype in DTYPES
        for shape in ROWS
        for op in ("sparse_forward", "sparse_mean_and_grad")
    ),
)
FUNCTIONS = {"sigmoid": "binary_cross_entropy_with_logits", "softmax": "cross_entropy"}
ZONES = ("hard, |x| < 20", "hard, |x| < 100", "tails", *SOFTMAX_ZONES)


class Candidate(NamedTuple):
    """An implementation of the losses, or of one of them: functions with the names of torch's."""

    name: str
    version: str
    losses: Any
    compiled: bool = False


class Row(NamedTuple):
    """The time of one implementation in one case, and its largest errors."""

    op: str
    dtype: str
    size: str
    implementation: str
    version: str
    ms_median: float
    ms_best: float
    bandwidth_fraction: float
    ulp_loss: float | None
    ulp_gradient: float | None


def candidates() -> list[Candidate]:
    """Return logitloss, PyTorch and, if it is installed, Liger."""
    found = [Candidate("logitloss", logitloss.__version__, logitloss.torch)]
    for name, compiled in (("torch eager", False), ("torch.compile", True)):
        found.append(Candidate(name, torch.__version__, torch.nn.functional, compiled))
    if importlib.util.find_spec("liger_kernel"):
        liger = importlib.import_module("liger_kernel.transformers.functional").liger_cross_entropy
        found.append(
            Candidate("Liger", importlib.metadata.version("liger_kernel"), SimpleNamespace(cross_entropy=liger))
        )
    return found


def errors(implementations: Iterable[Candidate], device: str, points: int) -> dict[tuple[str, str, str], list[float]]:
    """Return the largest errors of losses and gradients, by implementation, loss and dtype."""

    def implementation(candidate: Candidate, loss: str) -> Implementation:
        function = getattr(candidate.losses, FUNCTIONS[loss])
        function = torch.compile(function) if candidate.compiled else function
        run = with_torch(lambda z, x: function(x.to(device), z.to(device), reduction="none").cpu())
        return Implementation(candidate.name, ("torch",), " ".join(DTYPES), lambda: run, loss)

    every = [
        implementation(candidate, loss)
        for loss in FUNCTIONS
        for candidate in implementations
        if hasattr(candidate.losses, FUNCTIONS[loss])
    ]
    largest: dict[tuple[str, str, str], list[float]] = {}
    for row in sweep(DTYPES, points, implementations=every):
        if row.zone in ZONES:
            both = largest.setdefault((row.implementation, row.operation, row.dtype), [0.0, 0.0])
            output = row.output.startswith("gradient")
            both[output] = max(both[output], row.ulp)
    return largest


def measure(
    case: Case, loss: str, implementations: Iterable[Candidate], device: str, clock: Callable[..., float]
) -> dict[str, list[float]]:
    """Return the memory bound and the time of each implementation that is right, in milliseconds for each round."""
    logits, labels = draw(case)
    want = expected(case, logits, labels)
    runs: dict[str, Callable[[], object]] = {}
    for candidate in implementations:
        prepare = prepare_with(torch.get_num_threads(), candidate.compiled, candidate.losses, device)
        # Liger writes its gradient over the logits.
        prepared = prepare(case, logits.copy(), labels) if hasattr(candidate.losses, FUNCTIONS[loss]) else None
        if prepared is None:
            continue
        try:
            verify(case, candidate.name, prepared.fetch(prepared.run()), want)
        except WrongResult as error:
            if candidate.name == "logitloss":
                raise
            print(error, file=sys.stderr)
        else:
            runs[candidate.name] = prepared.run
    source = torch.zeros(logits.nbytes, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    least = logits.nbytes + labels.nbytes + (logits.nbytes if "grad" in case.op else labels.size * logits.itemsize)
    times: dict[str, list[float]] = {name: [] for name in ("memory bound", *runs)}
    for _ in range(ROUNDS):
        times["memory bound"].append(clock(lambda: target.copy_(source)) * least / (2 * source.nbytes))
        for name, run in runs.items():
            times[name].append(clock(run))
    return times


def benchmark(cases: Iterable[Case], path: Path, device: str, clock: Callable[..., float], points: int) -> list[Row]:
    """Measure all cases, and write what there is after each."""
    implementations, rows = candidates(), []
    ulps = errors(implementations, device, points)
    versions = {"memory bound": "copy"} | {candidate.name: candidate.version for candidate in implementations}
    path.parent.mkdir(parents=True, exist_ok=True)
    for case in cases:
        loss = "softmax" if case.op.startswith("sparse") else "sigmoid"
        times = measure(case, loss, implementations, device, clock)
        for name, own in times.items():
            fraction = statistics.median(bound / took for bound, took in zip(times["memory bound"], own, strict=True))
            wrong = ulps.get((name, loss, case.dtype), (None, None))
            what = (case.op, case.dtype, size_of(case.shape), name, versions[name])
            rows.append(Row(*what, statistics.median(own), min(own), fraction, *wrong))
            print(f"{case}: {name} {rows[-1].ms_median:.3f} ms, bandwidth {fraction:.0%}, ulp {wrong[0]}, {wrong[1]}")
        with path.open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([Row._fields, *rows])
    return rows


def main() -> int:
    """Measure on the CUDA device that torch uses."""
    if not torch.cuda.is_available() or not importlib.util.find_spec("triton"):
        print(
            "benchmarks/gpu.py needs a CUDA device, and PyTorch and Triton for it. Nothing measured.", file=sys.stderr
        )
        return 2
    do_bench = importlib.import_module(
        "triton.testing"
    ).do_bench  # times by the device's events, with its cache cleared
    device = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name().lower()).strip("-")
    path = RESULTS / device / "gpu" / f"{datetime.date.today().isoformat()}.csv"
    try:
        benchmark(CASES, path, "cuda", lambda run: do_bench(run, warmup=10, rep=50, return_mode="median"), 30_000)
    except WrongResult as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
