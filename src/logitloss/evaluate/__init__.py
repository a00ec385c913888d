"""Score predictions in files: exact mean losses, overall and by group.

Nothing here is imported by `import logitloss`: it needs PyArrow, which `pip install "logitloss[eval]"` brings.
"""

from logitloss.evaluate.errors import InputError, needed

needed("pyarrow", "logitloss.evaluate")

from logitloss.evaluate.compare import compare  # noqa: E402
from logitloss.evaluate.results import (  # noqa: E402
    Bins,
    Brier,
    Comparison,
    Confusion,
    Estimate,
    FineBins,
    Group,
    Losses,
    Report,
    Score,
)
from logitloss.evaluate.score import merge, score, score_arrays  # noqa: E402
from logitloss.evaluate.state.state import State  # noqa: E402

__all__ = [
    "Bins",
    "Brier",
    "Comparison",
    "Confusion",
    "Estimate",
    "FineBins",
    "Group",
    "InputError",
    "Losses",
    "Report",
    "Score",
    "State",
    "compare",
    "merge",
    "score",
    "score_arrays",
]
