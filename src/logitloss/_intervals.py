"""The interval for a share of rows, one for every diagram."""

from __future__ import annotations

import numpy as np


def clopper_pearson(share: np.ndarray, rows: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """The interval for a share observed among so many rows, which need not be whole: it covers at least `level`.

    Clopper and Pearson, Biometrika 26, 1934. Labels between 0 and 1 vary less than hard ones of the same mean, so for
    them it is wider than it need be.
    """
    from scipy import special

    hits, misses, tail = share * rows, (1 - share) * rows, (1 - level) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, special.betaincinv(np.maximum(hits, 0), misses + 1, tail), 0.0)
        high = np.where(misses > 0, special.betaincinv(hits + 1, np.maximum(misses, 0), 1 - tail), 1.0)
    return low, high
