"""What bins of predictions say about calibration: the parts of the loss, the recalibrated curve, points to draw.

A bin holds rows whose logits lie next to each other; :class:`Bins` keeps its sums. The parts of the loss are those of
CORP (Dimitriadis, Gneiting and Jordan, PNAS 2021): the best monotone recalibration of the predictions, found by
isotonic regression, divides what better calibrated numbers would gain from what the ranking itself is worth.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import optimize, special

from logitloss.evaluate.results import Bins, Score

# A point is drawn for so many rows at least, or for a twentieth of all: fewer say little and only widen the picture.
POINT_ROWS = 100
POINT_SHARE = 1 / 20
DRAWS = 100  # of labels, to see what chance does


def weighted(bins: Bins) -> Bins:
    """The bins that weigh anything; the others have no mean."""
    return Bins(*(column[bins.weight > 0] for column in vars(bins).values()))


@dataclass(frozen=True)
class Decomposition:
    """The mean loss as miscalibration - discrimination + uncertainty, in nats.

    `uncertainty` is the loss of always predicting the mean label. `discrimination` is what the ranking of the
    predictions is worth against it. `miscalibration` is what the predictions lose against their best monotone
    recalibration, one value for each bin of logits.

    Predictions that differ within a bin are not recalibrated one by one. What they gain over one prediction for the
    whole bin is `within_bins`, which is counted in `discrimination`. The two outermost bins have no end: no prediction
    stands for all of their rows, and `within_bins` leaves them out, so that an infinite loss is miscalibration.

    Isotonic regression follows noise too. `chance` is the miscalibration that it finds on average in as many labels
    drawn from the predictions themselves, whose calibration is perfect: only what is well above it means anything.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float
    within_bins: float
    chance: float


def decompose(score: Score, bins: Bins) -> Decomposition:
    """The parts of the mean loss of the rows in `bins`, whose score is `score`; they add up but for rounding."""
    bins = weighted(bins)
    total = bins.weight.sum()
    inner = np.isfinite(bins.lower) & np.isfinite(bins.upper)
    one_each = _cross_entropy(bins, bins.labels, np.where(inner, bins.probability / bins.weight, 0.5))
    within = float((one_each - bins.loss)[inner].sum() / total)
    recalibrated = float(_cross_entropy(bins, bins.labels, recalibrate(bins)).sum() / total)
    return Decomposition(
        miscalibration=score.mean_loss + within - recalibrated,
        discrimination=score.base_loss + within - recalibrated,
        uncertainty=score.base_loss,
        within_bins=within,
        chance=_by_chance(bins),
    )


def recalibrate(bins: Bins) -> np.ndarray:
    """For each bin the probability that no other monotone curve beats: the isotonic regression of the labels."""
    return optimize.isotonic_regression(bins.labels / bins.weight, weights=bins.weight).x


def _by_chance(bins: Bins) -> float:
    """The mean miscalibration of labels drawn from the predictions, always the same ones."""
    predicted = bins.probability / bins.weight
    hits = np.random.default_rng(0).binomial(bins.rows, predicted, (DRAWS, len(bins.rows)))
    found = 0.0
    for labels in hits * (bins.weight / bins.rows):
        best = recalibrate(replace(bins, labels=labels))
        found += (_cross_entropy(bins, labels, predicted) - _cross_entropy(bins, labels, best)).sum()
    return float(found / DRAWS / bins.weight.sum())


def _cross_entropy(bins: Bins, labels: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """The summed loss of each bin if all of its rows were given one prediction, with 0 log 0 = 0."""
    return -special.xlogy(labels, predicted) - special.xlog1py(bins.weight - labels, -predicted)


@dataclass(frozen=True)
class Points:
    """Bins, or a few neighbours together: what was predicted, what was observed and its 95 % interval."""

    rows: np.ndarray
    predicted: np.ndarray
    observed: np.ndarray
    low: np.ndarray
    high: np.ndarray


def points(bins: Bins) -> Points:
    """The bins as points to draw; neighbours of few rows are one point."""
    enough = min(POINT_ROWS, bins.rows.sum() * POINT_SHARE)
    starts, rows = [0], 0
    for i, more in enumerate(bins.rows):
        if rows >= enough:
            starts.append(i)
            rows = 0
        rows += more
    if rows < enough and len(starts) > 1:
        starts.pop()  # what is left over at the end belongs to the point before it
    rows, weight, labels, probability = (
        np.add.reduceat(column, starts) for column in (bins.rows, bins.weight, bins.labels, bins.probability)
    )
    low, high = interval(labels / weight, rows)
    return Points(rows, probability / weight, labels / weight, low, high)


def interval(share: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 95 % interval of Clopper and Pearson for a share observed among so many rows; it covers at least that.

    Labels between 0 and 1 vary less than hard ones of the same mean, so for them it is wider than it need be. Weights
    that differ make it narrower than it should be: it knows the number of rows alone.
    """
    hits, misses = share * rows, (1 - share) * rows
    with np.errstate(invalid="ignore"):
        low = np.where(hits > 0, special.betaincinv(np.maximum(hits, 0), misses + 1, 0.025), 0.0)
        high = np.where(misses > 0, special.betaincinv(hits + 1, np.maximum(misses, 0), 0.975), 1.0)
    return low, high
