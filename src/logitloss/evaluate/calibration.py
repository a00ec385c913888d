"""What bins of predictions say about calibration: the parts of the loss, the recalibrated curve, points to draw.

A bin holds rows whose logits lie next to each other; :class:`Bins` keeps its sums. The parts of the loss are those of
CORP (Dimitriadis, Gneiting and Jordan, PNAS 2021): the best monotone recalibration of the predictions, found by
isotonic regression, divides what better calibrated numbers would gain from what the ranking itself is worth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from logitloss._intervals import clopper_pearson
from logitloss.evaluate.results import NONE, Bins, Brier, Estimate, FineBins, Score

# A point is drawn for so many rows at least, or for a twentieth of all: fewer say little and only widen the picture.
POINT_ROWS = 100
POINT_SHARE = 1 / 20
DRAWS = 400  # of labels, to see what chance does


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

    Isotonic regression follows noise too. `chance` is the miscalibration that it finds on average in labels drawn from
    the predictions themselves, whose calibration is perfect, as many of them as there are effective rows, and
    `chance_limit` what it finds in one such draw of twenty. `gain` is what recalibration would gain: the miscalibration
    above `chance`, and nothing where it is not above `chance_limit`.
    """

    miscalibration: float
    discrimination: float
    uncertainty: float
    within_bins: float
    chance: float
    chance_limit: float

    @property
    def gain(self) -> float:
        """The miscalibration above what chance explains."""
        return self.miscalibration - self.chance if self.miscalibration > self.chance_limit else 0.0


def decompose(score: Score, bins: Bins) -> Decomposition:
    """The parts of the mean loss of the rows in `bins`, whose score is `score`; they add up but for rounding."""
    bins = weighted(bins)
    total = bins.weight.sum()
    inner = np.isfinite(bins.lower) & np.isfinite(bins.upper)
    one_each = _cross_entropy(bins, bins.labels, np.where(inner, bins.probability / bins.weight, 0.5))
    within = float((one_each - bins.loss)[inner].sum() / total)
    recalibrated = float(_cross_entropy(bins, bins.labels, recalibrate(bins)).sum() / total)
    by_chance = _by_chance(bins)
    return Decomposition(
        miscalibration=score.mean_loss + within - recalibrated,
        discrimination=score.base_loss + within - recalibrated,
        uncertainty=score.base_loss,
        within_bins=within,
        chance=float(by_chance.mean()),
        chance_limit=float(np.quantile(by_chance, 0.95, method="higher")),
    )


def recalibrate(bins: Bins) -> np.ndarray:
    """For each bin the probability that no other monotone curve beats: the isotonic regression of the labels."""
    return optimize.isotonic_regression(bins.labels / bins.weight, weights=bins.weight).x


def _by_chance(bins: Bins) -> np.ndarray:
    """The miscalibration of labels drawn from the predictions, always the same ones: as many as say as much."""
    predicted, share = np.clip(bins.probability / bins.weight, 0, 1), bins.weight / bins.weight.sum()
    rows = np.maximum(1, np.rint(bins.effective_rows)).astype(np.int64)
    found = []
    for hits in np.random.default_rng(0).binomial(rows, predicted, (DRAWS, len(rows))) / rows:
        best = optimize.isotonic_regression(hits, weights=share).x
        better = special.xlogy(hits, best) - special.xlogy(hits, predicted)
        better += special.xlog1py(1 - hits, -best) - special.xlog1py(1 - hits, -predicted)
        found.append(share @ better)
    return np.array(found)


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
    rows, weight, labels, probability, weight2 = (
        np.add.reduceat(column, starts)
        for column in (bins.rows, bins.weight, bins.labels, bins.probability, bins.weight**2 / bins.effective_rows)
    )
    effective_rows = weight**2 / weight2
    low, high = clopper_pearson(labels / weight, effective_rows)
    return Points(rows, probability / weight, labels / weight, low, high)


def brier(score: Score, bins: Bins) -> Brier:
    """The parts of the mean of (p - z)^2, which add up but for rounding."""
    bins = weighted(bins)
    total = bins.weight.sum()
    reliability = float((bins.weight * ((bins.labels - bins.probability) / bins.weight) ** 2).sum() / total)
    uncertainty = score.mean_label * (1 - score.mean_label)
    return Brier(score.brier_score, reliability, reliability + uncertainty - score.brier_score, uncertainty)


def expected_error(bins: Bins) -> float:
    """The expected calibration error over these bins."""
    return float(np.abs(bins.labels - bins.probability).sum() / bins.weight.sum())


def auc(bins: FineBins) -> tuple[float, float]:
    """The chance that a positive's logit exceeds a negative's, ties counting half; in one bin either may be higher."""
    positive, negative = bins.labels, bins.weight - bins.labels
    pairs = positive.sum() * negative.sum()
    if not pairs > 0:
        return math.nan, math.nan
    below = np.cumsum(negative) - negative
    certain, open_ = float((positive * below).sum() / pairs), float((positive * negative).sum() / pairs)
    return certain, min(1.0, certain + open_)


STEPS = 50  # of Newton's method, which needs ten


def fit(bins: FineBins, coarse: Bins) -> tuple[Estimate, Estimate]:
    """Slope and intercept of the labels' logistic regression on the logits, each bin's rows being in its middle.

    Newton's method on the fine bins, whose width of 1/256 moves neither by more than 0.002 standard errors of
    20,000 rows; logits beyond -32 and 32 count as these. The standard errors are those of the Fisher information,
    and with weights or clusters robust to them (White 1980), by what the rows of each bin say less.
    """
    coarse = weighted(coarse)
    less = (coarse.weight / coarse.effective_rows)[np.searchsorted(coarse.lower, bins.lower, "right") - 1]
    x = np.clip((bins.lower + bins.upper) / 2, -32, 32)
    features = np.stack([x, np.ones_like(x)])
    at = np.array([1.0, 0.0])
    for _ in range(STEPS):
        p = special.expit(at @ features)
        variance = bins.weight * p * (1 - p)
        information = (features * variance) @ features.T
        try:
            step = np.linalg.solve(information, features @ (bins.labels - bins.weight * p))
        except np.linalg.LinAlgError:
            return NONE, NONE
        at = at + step
        if not np.isfinite(at).all() or np.abs(at).max() > 1e6:
            return NONE, NONE  # the classes are apart, and no slope is the best
        if np.abs(step).max() < 1e-12 * np.abs(at).max():
            inverse = np.linalg.inv(information)
            errors = np.sqrt(np.diag(inverse @ ((features * (variance * less)) @ features.T) @ inverse))
            return Estimate(float(at[0]), float(errors[0])), Estimate(float(at[1]), float(errors[1]))
    return NONE, NONE
