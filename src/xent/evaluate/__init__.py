"""Score predictions in files: exact mean losses, overall and by group.

Nothing here is imported by `import xent`: it needs PyArrow, which `pip install "xent[eval]"` brings.
"""

from xent.evaluate.check import InputError
from xent.evaluate.results import Bins, Group, Losses, Report, Score
from xent.evaluate.score import merge, score
from xent.evaluate.state import State

__all__ = ["Bins", "Group", "InputError", "Losses", "Report", "Score", "State", "merge", "score"]
