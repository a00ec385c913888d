"""Score predictions in files: exact mean losses, overall and by group.

Nothing here is imported by `import xent`: it needs PyArrow, which `pip install "xent[eval]"` brings.
"""

from xent.evaluate.read import InputError
from xent.evaluate.score import Group, Report, Score, Tally, score

__all__ = ["Group", "InputError", "Report", "Score", "Tally", "score"]
