"""The benchmark behind ``logitloss bench`` and ``benchmarks/run.py``: verify, then time, rivals and limit side by side.

Every contender gives its result first, and one that does not compute the loss of the definition is not timed. Then all
of them run in turn, round after round, together with the *limit*: a loop that reads and writes the same arrays with as
many threads and computes nothing worth the name. Ratios are of two times of one round, so a machine that is busy slows
both. Each setting of threads and instruction set has a process of its own, which imports the frameworks; this package
imports none.
"""

from logitloss.bench.cases import Case, WrongResult
from logitloss.bench.engine import Row, interleave, measure
from logitloss.bench.process import BenchError, Plan, run_plan
from logitloss.bench.short import SHORT, short

__all__ = ["SHORT", "BenchError", "Case", "Plan", "Row", "WrongResult", "interleave", "measure", "run_plan", "short"]
