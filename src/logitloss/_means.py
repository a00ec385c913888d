"""Weighted sums and means of losses, exact up to the rounding of each product, for the adapters."""

from __future__ import annotations

import numpy as np

from ._exact import ExactSum


def weighted_sums(losses: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the sum of the weighted losses and that of the weights.

    A weight of 0 leaves its loss out by selection: times an infinite loss it would make nan.
    """
    counted = weights != 0
    weights = weights[counted]
    return ExactSum(losses[counted] * weights).compute(), ExactSum(weights).compute()


def mean(losses: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the sum of the weighted losses over the sum of the weights; nan where that is 0."""
    if weights is None:
        return ExactSum(losses).mean()
    total, weight = weighted_sums(losses, weights)
    return total / weight if weight else float("nan")
