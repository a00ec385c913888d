"""Intervals and their rates: Student's t, few clusters, calibration of few rows, several tests at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from logitloss._intervals import clopper_pearson

if TYPE_CHECKING:
    from logitloss.evaluate.results import Score

ENOUGH_CLUSTERS = 20  # effective ones; below, Student's t with G - 1 degrees promises too much
ENOUGH_CHANCES = 25.0  # rows times p (1 - p); below, the normal distribution promises too much


def t_quantile(share: float, dof: float) -> float:
    """The quantile of Student's t distribution; nan without degrees of freedom."""
    from scipy import special

    return float(special.stdtrit(dof, share)) if dof > 0 else math.nan


def t_cdf(value: float, dof: float) -> float:
    """Its distribution function."""
    from scipy import special

    return float(special.stdtr(dof, value)) if dof > 0 else math.nan


def few_clusters(
    count: np.ndarray, second: np.ndarray, third: np.ndarray, fourth: np.ndarray, fifth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effective clusters, degrees of freedom, and the factor by which intervals are wider than their error says.

    With h the clusters' shares of the weight, the arguments are their number and the sums of h^2 to h^5. The effective
    number is 1 / sum of h^2 (Kish). From 20 on there are G - 1 degrees of freedom and the factor is 1. Below, both are
    those of Satterthwaite's approximation (1946; for clusters Bell and McCaffrey 2002, Imbens and Kolesar 2016) under
    the working model that hits hardest: the rows of a cluster are all alike, so that its sum T of w (l - m) has a
    variance of h^2. What the error is made of, S = T - h (sum of all T), then has the covariance matrix M with

        M_cd = [c = d] h_c^2 - h_c h_d^2 - h_d h_c^2 + h_c h_d (sum of h^2)

    so that the sum of S^2 is too small by (sum of h^2) / tr M, and has tr(M)^2 / tr(M^2) degrees of freedom. For equal
    clusters these are G / (G - 1), which the error has, and G - 1.
    """
    q = second
    trace = q - 2 * third + q**2
    squared = q**4 + 2 * q * fourth + 2 * third**2 - 4 * q**2 * third + fourth * (1 + 2 * q) - 4 * fifth
    few = 1 / q < ENOUGH_CLUSTERS
    dof = np.where(few, trace**2 / squared, count - 1.0)
    correction = np.where(few, np.sqrt(q / trace * (count - 1) / count), 1.0)
    known = count > 1
    return 1 / q, np.where(known, dof, 0.0), np.where(known, correction, 1.0)


def holm(chances: Sequence[float]) -> list[float]:
    """The p-values adjusted for their number: S. Holm, Scandinavian Journal of Statistics 6, 1979."""
    order = np.argsort(chances, kind="stable")
    scaled = np.asarray(chances)[order] * np.arange(len(chances), 0, -1)
    adjusted = np.empty(len(chances))
    adjusted[order] = np.minimum(1, np.maximum.accumulate(scaled))
    return adjusted.tolist()


def calibration_method(score: Score) -> str:
    """What :func:`calibration` does for such rows."""
    if score.clusters is not None:
        return "clusters, few" if score.correction != 1 else "clusters"
    if math.isnan(score.calibration_standard_error):
        return "none"
    if _chances(score) >= ENOUGH_CHANCES:
        return "normal"
    return "Clopper-Pearson" if score.effective_size == score.rows else "Hoeffding"


def calibration(score: Score, level: float) -> tuple[float, float]:
    """Where the mean label minus the mean probability lies, rows being independent.

    With many rows the sum of w (z - p) is normal, with the variance that calibrated predictions give it: the sum of
    w^2 p (1 - p). With few, Clopper and Pearson's interval for the share of positives minus the mean probability:
    labels of unequal probabilities vary less than equal ones of their mean (Hoeffding, Annals of Mathematical
    Statistics 27, 1956), so that it covers at least what it promises. With few rows and weights, Hoeffding's inequality
    (JASA 58, 1963) for sums of bounded numbers, which covers at least that too.
    """
    off = score.mean_label - score.mean_probability
    method = calibration_method(score)
    if method == "normal":
        half = t_quantile((1 + level) / 2, math.inf) * score.calibration_standard_error
    elif method == "Hoeffding":
        half = math.sqrt(-math.log((1 - level) / 2) / 2 / score.effective_size)
    elif method == "Clopper-Pearson":
        low, high = clopper_pearson(np.array([score.mean_label]), np.array([score.rows]), level)
        return float(low[0]) - score.mean_probability, float(high[0]) - score.mean_probability
    else:
        half = math.nan
    return off - half, off + half


def _chances(score: Score) -> float:
    """The rows of equal weight and chance, times p (1 - p), that would give as much variance."""
    return score.calibration_standard_error**2 * score.effective_size**2
