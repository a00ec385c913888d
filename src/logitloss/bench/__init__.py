"""The benchmark behind ``logitloss bench`` and ``benchmarks/run.py``: verify every implementation, then time them.

An implementation whose result is not the loss of the definition is not timed. The others run in turn, round after
round, together with the *memory bound*: a loop that reads and writes the same arrays with as many threads and computes
nothing. A ratio divides two times of one round, so a busy machine slows both. Each number of threads and each
instruction set has a process of its own, which imports the frameworks; this package imports none.
"""

from logitloss.bench.cases import Case, WrongResult
from logitloss.bench.engine import Row, interleave, measure
from logitloss.bench.process import BenchError, Plan, run_plan
from logitloss.bench.short import SHORT, short

__all__ = ["SHORT", "BenchError", "Case", "Plan", "Row", "WrongResult", "interleave", "measure", "run_plan", "short"]
