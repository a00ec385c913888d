"""What the page speaks of, found once: the groups in their order, the parts of the loss, the points of the curve."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from logitloss._intervals import clopper_pearson
from logitloss.evaluate.calibration import Decomposition, Points, decompose, points, weighted
from logitloss.evaluate.display.ranking import ranked
from logitloss.evaluate.results import Bins, Group, Report, Score

WITHIN = "within chance"


class Findings:
    """A report and what follows from it."""

    def __init__(self, report: Report):
        """Compute nothing yet."""
        self.report = report
        self.overall: Score = report.overall
        self.binary = len(report.bins.rows) > 0  # with classes there is no one predicted probability
        self.is_weighted = report.overall.weight != report.overall.rows

    @functools.cached_property
    def groups(self) -> list[tuple[Group, float]]:
        """The groups with their contributions, the largest first."""
        return ranked(self.report)

    @functools.cached_property
    def bins(self) -> Bins:
        """Those that weigh anything."""
        return weighted(self.report.bins)

    @functools.cached_property
    def parts(self) -> Decomposition | None:
        """The parts of the loss; none for classes, or where no row weighs anything."""
        return decompose(self.overall, self.bins) if len(self.bins.rows) else None

    @functools.cached_property
    def points(self) -> Points | None:
        """The points of the reliability diagram; none for classes, or where no row weighs anything."""
        return points(self.bins) if len(self.bins.rows) else None

    @functools.cached_property
    def verdict(self) -> str:
        """Whether the predictions for all rows are too low or too high."""
        return _verdicts([self.overall])[0]

    @functools.cached_property
    def verdicts(self) -> list[str]:
        """The same for each group."""
        return _verdicts([group.score for group, _ in self.groups])


def _verdicts(scores: Sequence[Score]) -> list[str]:
    """Whether the mean prediction lies in the 95 % interval of the mean label."""
    labels, predicted, rows = (
        np.array([getattr(score, name) for score in scores]) for name in ("mean_label", "mean_probability", "rows")
    )
    low, high = clopper_pearson(labels, rows)
    known = ~np.isnan(labels)
    return np.select([known & (predicted < low), known & (predicted > high)], ["too low", "too high"], WITHIN).tolist()
