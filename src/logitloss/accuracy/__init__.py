"""The ULP meter and its sweep: how far logitloss and its peers are from the truth, in units in the last place.

The truth is the definition in integer arithmetic, good to 2**-230, and has nothing in common with logitloss's kernels.
Nothing here is imported by ``import logitloss``, and no framework is imported before :func:`sweep` runs.

>>> import numpy as np
>>> from logitloss.accuracy import truths, ulp_errors
>>> logits, labels = np.float32([17]), np.float32([1])
>>> loss, gradient = truths(logits, labels)
>>> naive = 1 / (1 + np.exp(-logits)) - labels  # 0: every digit is lost
>>> ulp_errors(naive, gradient).round()
array([11652888.])
"""

from logitloss.accuracy.meter import Truth, softmax_truths, truths, ulp_errors
from logitloss.accuracy.sweep import DTYPES, Row, available_dtypes, sweep
from logitloss.accuracy.zones import SOFTMAX_ZONES, ZONES

__all__ = [
    "DTYPES",
    "SOFTMAX_ZONES",
    "ZONES",
    "Row",
    "Truth",
    "available_dtypes",
    "softmax_truths",
    "sweep",
    "truths",
    "ulp_errors",
]
