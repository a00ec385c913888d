"""The full benchmark: `python benchmarks/run.py`, about seven minutes, with every peer that is installed.

It writes benchmarks/results/<processor>/<date>.csv plan by plan, so an interrupted run keeps what it has, and
`python benchmarks/run.py 5 6` measures two of the plans again. `python docs/speed_page.py` makes the tables and the
plot of the documentation from the latest file.
"""

from __future__ import annotations

import datetime
import os
import platform
import re
import sys
import time
from pathlib import Path

from logitloss import _core
from logitloss.bench import BenchError, Case, Plan, Row, implementations, run_plan
from logitloss.bench.report import read_csv, write_csv, write_table
from logitloss.bench.short import LARGE, SOFTMAX
from logitloss.bench.short import SIGMOID as PEERS

RESULTS = Path(__file__).parent / "results"
FAST = ("logitloss", "torch eager", "torch.compile", "logitloss.jax, jit", "jax.jit", "TensorFlow XLA")
COMPILED = ("logitloss", "torch.compile", "TensorFlow XLA")
OPS = ("forward", "mean", "mean_and_grad", "grad_and_hess")

SIGMOID = tuple(Case(op, "float32", "hard", (LARGE,), PEERS if "mean" in op else ()) for op in OPS)
KINDS = (
    *(
        Case(op, dtype, labels, (LARGE,), PEERS)
        for dtype, labels in (("float32", "soft"), ("float64", "hard"), ("float64", "soft"))
        for op in ("forward", "mean_and_grad")
    ),
    *(Case(op, dtype, "hard", (LARGE,), FAST) for dtype in ("float16", "bfloat16") for op in OPS[:3]),
    *(
        Case(op, "float32", kind, (LARGE,), ("logitloss", "torch.compile"))
        for kind in ("bool", "uint8")
        for op in OPS[:3]
    ),
)
SIZES = (
    *(Case(op, "float32", "hard", (10**power,)) for op in ("forward", "mean_and_grad") for power in range(1, 8)),
    *(Case(op, "float32", "hard", (10**8,), COMPILED) for op in ("forward", "mean_and_grad")),
)
ALL = tuple(one.name for one in implementations.IMPLEMENTATIONS)
SPARSE = tuple(
    Case(op, "float32", "class", shape, ALL) for op in ("sparse_forward", "sparse_mean_and_grad") for shape in SOFTMAX
)
CALLS = tuple(Case("call", "float32", "hard", (size,)) for size in (8, 1000))
IN_TORCH = ("logitloss.torch", "logitloss.torch, compile", "torch eager", "torch.compile")
TORCH = tuple(
    Case("mean_and_grad", dtype, "hard", (10**power,), IN_TORCH)
    for dtype in ("float32", "bfloat16")
    for power in range(3, 9)
)
WIDE = (Case("forward", "float64", "hard", (LARGE,)),)

PLANS = (
    Plan(2, SIZES, seconds=0.5),
    Plan(2, KINDS, seconds=2.0),
    Plan(2, SIGMOID + WIDE, seconds=2.0, isa="avx2", names=FAST),
    Plan(1, SIGMOID + WIDE, seconds=2.0, isa="avx2", names=FAST),
    Plan(1, SIGMOID + WIDE + CALLS, seconds=2.0),
    Plan(2, SIGMOID + SPARSE + CALLS, seconds=4.0),
    Plan(2, TORCH, seconds=1.0),
)


def processor() -> str:
    """Return the processor's model and how many of its cores there are, as the name of a folder."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        named = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
        model = named.group(1) if named else model
    return re.sub(r"[^a-z0-9]+", "-", f"{model} {os.cpu_count()} cores".lower()).strip("-")


def main(chosen: list[int]) -> int:
    """Run all plans, or those of these numbers, with progress on stderr; other rows of the same day stay."""
    path = RESULTS / processor() / f"{datetime.date.today().isoformat()}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    rows: dict[tuple, Row] = {}
    if path.exists():
        with path.open() as file:
            rows = {row[:7]: row for row in read_csv(file)}

    def note(text: str) -> None:
        print(f"{time.monotonic() - begin:5.0f} s {text}", file=sys.stderr)

    for number, plan in enumerate(PLANS, 1):
        if (chosen and number not in chosen) or plan.isa not in ("", *_core.isas()):
            continue
        try:
            new = run_plan(plan, lambda what, share, number=number: note(f"{number}: {share:4.0%} {what}"), note)
        except BenchError as error:
            note(f"plan {number}: {error}")
            return 2
        rows |= {row[:7]: row for row in new}
        with path.open("w") as file:
            write_csv(list(rows.values()), file)
    write_table(list(rows.values()), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main([int(number) for number in sys.argv[1:]]))
