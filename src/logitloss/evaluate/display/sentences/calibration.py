"""Whether the predictions are calibrated, and what that costs."""

from __future__ import annotations

import math

from logitloss.evaluate.calibration import Points
from logitloss.evaluate.display.findings import LEVEL, TOO_HIGH, TOO_LOW, WITHIN, Findings
from logitloss.evaluate.display.numbers import error, nats, percents, signed
from logitloss.evaluate.display.sentences.slot import slot


@slot("calibration")
def predictions_off(found: Findings) -> str | None:
    """The interval of the difference leaves 0 out."""
    if found.verdict not in (TOO_LOW, TOO_HIGH):
        return None
    label, predicted = percents(found.overall.mean_label, found.overall.mean_probability)
    return (
        f"On average the predictions are {found.verdict}: they average {predicted}, the labels {label}, a difference "
        "larger than chance explains (95%)."
    )


@slot("calibration")
def predictions_right_on_average(found: Findings) -> str | None:
    """The interval of the difference holds 0."""
    if found.verdict != WITHIN:
        return None
    label, predicted = percents(found.overall.mean_label, found.overall.mean_probability)
    low, high = found.overall.calibration_interval(LEVEL)
    return (
        f"The predictions average {predicted}, the labels {label}: chance can explain the difference (its 95% "
        f"interval: {_points(low)} to {_points(high)} points)."
    )


@slot("curve")
def points_off_the_diagonal(found: Findings) -> str | None:
    """There are points, some of whose intervals leave the prediction out."""
    points, off = found.points, _off(found)
    if not points or not off:
        return None
    return (
        f"At {off} of {_range(points)}, the observed share differs from the prediction by more than chance explains "
        "(95% each)."
    )


@slot("curve")
def all_points_on_the_diagonal(found: Findings) -> str | None:
    """There are points, and the interval of each holds the prediction."""
    points = found.points
    if not points or _off(found) != 0:
        return None
    return f"At each of {_range(points)}, the 95% interval of the observed share holds the prediction."


def _off(found: Findings) -> int | None:
    """At how many points; None where there is one, which has no neighbour to differ from."""
    drawn = found.points
    if drawn is None or len(drawn.rows) < 2:
        return None
    return int((~((drawn.low <= drawn.predicted) & (drawn.predicted <= drawn.high))).sum())


def _range(points: Points) -> str:
    least, most = percents(points.predicted[0], points.predicted[-1])
    return f"{len(points.rows)} points, from predictions of {least} to {most}"


@slot("recalibration")
def infinite_miscalibration(found: Findings) -> str | None:
    """Predictions of 0 or 1 were wrong, which no finite gain describes."""
    if not found.parts or not math.isinf(found.parts.miscalibration):
        return None
    return "What recalibration could gain has no bound: at least one prediction of 0 or 1 was wrong."


@slot("recalibration")
def recalibration_with_clusters(found: Findings) -> str | None:
    """What chance makes of rows that are alike is not known."""
    parts = found.parts
    if not parts or not found.clustered or not parts.miscalibration < math.inf:
        return None
    return (
        f"The best recalibration of these very rows saves {error(_above_noise(parts.miscalibration))} of "
        f"{nats(found.overall.mean_loss)} nats, and a part of that is chance: {error(parts.chance)} on average if "
        "predictions far apart err independently, most often more if they err together."
    )


@slot("recalibration")
def nothing_to_gain(found: Findings) -> str | None:
    """The miscalibration is no more than chance shows in one of twenty draws."""
    parts = found.parts
    if not parts or found.clustered or parts.gain > 0:
        return None
    return (
        f"Recalibration has nothing sure to gain: the miscalibration is {error(_above_noise(parts.miscalibration))} "
        f"nats, that of perfectly calibrated predictions {error(parts.chance)} on average and "
        f"{error(parts.chance_limit)} in one of twenty draws."
    )


@slot("recalibration")
def something_to_gain(found: Findings) -> str | None:
    """The miscalibration is above what chance shows."""
    parts = found.parts
    if not parts or found.clustered or not 0 < parts.gain < math.inf:
        return None
    return (
        f"Recalibration could gain about {error(parts.gain)} of "
        f"{nats(found.overall.mean_loss)} nats: the miscalibration is {error(parts.miscalibration)}, that of perfectly "
        f"calibrated predictions {error(parts.chance)} on average."
    )


def _above_noise(nats: float) -> float:
    """A miscalibration without what rounding leaves of none."""
    return nats if nats > 1e-12 else 0.0


def _points(share: float) -> str:
    """A difference of two shares in percentage points."""
    return signed(100 * share)
