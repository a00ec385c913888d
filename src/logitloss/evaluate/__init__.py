"""Score predictions in files: exact mean losses, overall and by group.

Nothing here is imported by `import logitloss`: it needs PyArrow, which `pip install "logitloss[eval]"` brings.
"""

from logitloss.evaluate.errors import InputError
from logitloss.evaluate.results import (
    Bins,
    Brier,
    Confusion,
    Estimate,
    FineBins,
    Group,
    Losses,
    Report,
    Score,
)
from logitloss.evaluate.score import merge, score
from logitloss.evaluate.state.state import State

__all__ = [
    "Bins",
    "Brier",
    "Confusion",
    "Estimate",
    "FineBins",
    "Group",
    "InputError",
    "Losses",
    "Report",
    "Score",
    "State",
    "merge",
    "score",
]
