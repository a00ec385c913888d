"""What the page speaks of, found once: the groups in their order, the points of the curve, what chance explains."""

from __future__ import annotations

import functools
import math

from logitloss.evaluate import intervals
from logitloss.evaluate.calibration import Decomposition, Points, points, weighted
from logitloss.evaluate.display.ranking import ranked
from logitloss.evaluate.results import Bins, Group, Report, Score

WITHIN, TOO_LOW, TOO_HIGH, UNKNOWN = "within chance", "too low", "too high", "unknown"
LEVEL = 0.95
ENOUGH_ROWS = 20  # of equal weight, below which a group's standard error says little
MOST_VERDICTS = 1000  # groups


class Findings:
    """A report and what follows from it."""

    def __init__(self, report: Report):
        """Compute nothing yet."""
        self.report = report
        self.overall: Score = report.overall
        self.binary = len(report.bins.rows) > 0  # with classes there is no one predicted probability
        self.is_weighted = report.overall.weight != report.overall.rows
        self.clustered = report.cluster is not None

    @functools.cached_property
    def groups(self) -> list[Group]:
        """The groups, the largest contribution first."""
        return ranked(self.report)

    @functools.cached_property
    def surely_worse(self) -> list[Group]:
        """The groups whose contribution is above 0 by more than chance explains, with Holm's correction."""
        known = [group for group in self.groups if group.score.effective_size >= ENOUGH_ROWS]
        chances = [
            intervals.t_cdf(-group.contribution.value / group.contribution.standard_error, group.score.dof)
            if group.contribution.standard_error > 0
            else 1.0
            for group in known
        ]
        return [group for group, p in zip(known, intervals.holm(chances), strict=True) if p <= 1 - LEVEL]

    @functools.cached_property
    def bins(self) -> Bins:
        """Those that weigh anything."""
        return weighted(self.report.bins)

    @functools.cached_property
    def parts(self) -> Decomposition | None:
        """The parts of the loss; none for classes, or where no row weighs anything."""
        return self.report.decomposition if len(self.bins.rows) else None

    @functools.cached_property
    def points(self) -> Points | None:
        """The points of the reliability diagram; none for classes, or where no row weighs anything."""
        return points(self.bins) if len(self.bins.rows) else None

    @functools.cached_property
    def verdict(self) -> str:
        """Whether the predictions for all rows are too low or too high on average."""
        return _verdict(self.overall)

    @functools.cached_property
    def verdicts(self) -> list[str]:
        """The same for each group, of very many for the first."""
        return [_verdict(group.score) for group in self.groups[:MOST_VERDICTS]]


def _verdict(score: Score) -> str:
    """Where 0 lies beside the interval of the mean label minus the mean probability."""
    low, high = score.calibration_interval(LEVEL)
    if math.isnan(low):
        return UNKNOWN
    return TOO_LOW if low > 0 else TOO_HIGH if high < 0 else WITHIN
