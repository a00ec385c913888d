"""The short form: what the targets speak of, in about a minute."""

from __future__ import annotations

from collections.abc import Callable

from logitloss._threads import get_num_threads
from logitloss.bench.cases import Case
from logitloss.bench.engine import Row
from logitloss.bench.process import Plan, run_plan

LARGE = 2**24
"""Elements: beyond any cache."""

SOFTMAX = ((512, 32768), (65536, 10), (8, 262144))

SIGMOID = (
    "logitloss",
    "NumPy formula",
    "numexpr",
    "scikit-learn",
    "torch eager",
    "torch.compile",
    "logitloss.jax, jit",
)
SIGMOID += ("jax.jit", "TensorFlow eager", "TensorFlow XLA", "logitloss.tensorflow eager", "logitloss.tensorflow XLA")
"""All but SciPy, which takes a hundred times the memory bound."""

CALLS = ("logitloss", "NumPy formula", "SciPy", "scikit-learn", "torch eager", "logitloss.jax, jit", "jax.jit")
CALLS += ("TensorFlow eager",)
"""Of those that compile, one: for eight elements it does not pay."""

SHORT = (
    Case("forward", "float32", "hard", (LARGE,), SIGMOID),
    Case("mean", "float32", "hard", (LARGE,), SIGMOID),
    Case("mean_and_grad", "float32", "hard", (LARGE,), SIGMOID),
    Case("grad_and_hess", "float32", "hard", (LARGE,), SIGMOID),
    Case("forward", "float64", "hard", (LARGE // 2,), SIGMOID),
    *(Case(op, "float32", "class", shape) for op in ("sparse_forward", "sparse_mean_and_grad") for shape in SOFTMAX),
    *(Case("call", "float32", "hard", (size,), CALLS) for size in (8, 1000)),
)


def short(
    threads: int | None = None,
    progress: Callable[[str, float], None] = lambda task, fraction: None,
    note: Callable[[str], None] = lambda text: None,
    cases: tuple[Case, ...] = SHORT,
) -> list[Row]:
    """Measure the memory bound, logitloss and every installed peer, all with as many threads as logitloss would use.

    Parameters
    ----------
    threads : int, optional
        The default is :func:`logitloss.get_num_threads`.
    progress : callable
        Is told what is being done and the fraction of the work that is done.
    note : callable
        Is told which peer was left out of what, and why.
    cases : tuple of Case
        What to measure.

    Returns
    -------
    list of Row
        Case by case, the memory bound first.
    """
    return run_plan(Plan(get_num_threads() if threads is None else threads, cases, seconds=0.5), progress, note)
