"""A process for each number of threads and instruction set, since both must be told before anything is imported.

``python -m logitloss.bench.process`` reads a plan from its input and writes notes, progress and rows to its output, a
line of JSON each; :func:`run_plan` starts it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from logitloss.bench import implementations
from logitloss.bench.cases import Case, WrongResult
from logitloss.bench.engine import Row, measure

Progress = Callable[[str, float], None]
"""Is told what is being done and the fraction of the work that is done."""


class BenchError(RuntimeError):
    """The benchmark could not be run; the text says why."""


class Plan(NamedTuple):
    """The work of one process."""

    threads: int
    cases: tuple[Case, ...]
    seconds: float
    """For each case; five rounds are run in any case."""
    isa: str = ""
    """An instruction set for LOGITLOSS_ISA; empty leaves it as it is."""
    names: tuple[str, ...] = ()
    """Implementations to load; none means all that are installed."""


def run_plan(
    plan: Plan, progress: Progress = lambda task, fraction: None, note: Callable[[str], None] = lambda text: None
) -> list[Row]:
    """Run a plan in a process of its own and return its rows.

    Raises
    ------
    BenchError
        If there are fewer processors than threads, the process fails, or logitloss's own result is not the
        definition's.
    """
    available = _processors()
    if not 1 <= plan.threads <= available:
        raise BenchError(f"threads must be from 1 to {available}, the processors there are, got {plan.threads}.")
    _check_dtypes(plan)
    rows: list[Row] = []
    wrong = None
    with (
        tempfile.TemporaryFile("w+", errors="replace") as errors,
        subprocess.Popen(
            [sys.executable, "-m", "logitloss.bench.process"],
            env=environment(plan.threads, plan.isa),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as worker,
    ):
        assert worker.stdin is not None  # for the type checker: both are pipes
        assert worker.stdout is not None
        try:
            with contextlib.suppress(BrokenPipeError):  # it ended at once; its last words say why
                json.dump(plan._asdict(), worker.stdin)
                worker.stdin.close()
            for line in worker.stdout:
                kind, *values = json.loads(line)
                if kind == "row":
                    rows.append(Row(*values))
                elif kind == "progress":
                    progress(*values)
                elif kind == "note":
                    note(*values)
                else:
                    wrong = values[0]
            worker.wait()
        finally:
            worker.kill()
        if wrong:
            raise BenchError(wrong)
        if worker.returncode:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["it left no message"])[-1]
            raise BenchError(f"the measuring process ended with code {worker.returncode}: {last}")
    return rows


def environment(threads: int, isa: str) -> dict[str, str]:
    """Return the variables that give every library the same threads, and the processor even where there is a GPU."""
    variables = {"LOGITLOSS_NUM_THREADS": str(threads)} | ({"LOGITLOSS_ISA": isa} if isa else {})
    variables |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_MAX_THREADS"), str(threads))
    variables["OPENBLAS_NUM_THREADS"] = "1"  # the loops of the memory bound are split before they reach it
    variables |= {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1", "CUDA_VISIBLE_DEVICES": "-1"}
    variables |= {"TF_CPP_MIN_LOG_LEVEL": "3"}
    return os.environ | variables


def _check_dtypes(plan: Plan) -> None:
    if any(case.dtype == "bfloat16" for case in plan.cases) and not importlib.util.find_spec("ml_dtypes"):
        raise BenchError('bfloat16 needs ml_dtypes, which is not installed: pip install "ml_dtypes"')


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _confine(threads: int) -> None:
    """Use so many processors and no more, for what asks the system how many there are, as XLA does."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def work(document: dict[str, Any], say: Callable[..., None]) -> None:
    """Measure the cases of a plan and say what happens."""
    plan = Plan(**document)
    cases = [Case(op, dtype, labels, tuple(shape), tuple(only)) for op, dtype, labels, shape, only in plan.cases]
    loaded = []
    say("progress", "importing what is installed", 0.0)
    for entry in implementations.load(plan.threads, tuple(plan.names), note=lambda text: say("note", text)):
        loaded.append(entry)
        say("progress", f"imported {entry.name}", 0.0)
    for done, case in enumerate(cases):
        say("progress", str(case), done / len(cases))
        try:
            rows = measure(case, loaded, plan.threads, plan.seconds, note=lambda text: say("note", text))
        except WrongResult as error:
            say("wrong", str(error))
            return
        for row in rows:
            say("row", *row)
    say("progress", "done", 1.0)


def main() -> None:
    """Read a plan, write lines."""
    document = json.load(sys.stdin)
    _confine(document["threads"])
    lines = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the frameworks print is none of the lines
    work(document, lambda *values: print(json.dumps(values), file=lines, flush=True))


if __name__ == "__main__":
    main()
