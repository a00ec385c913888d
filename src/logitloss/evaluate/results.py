"""What is found: scores, the bins of logits and losses, and differences of two models; each number is rounded once."""

from __future__ import annotations

import functools
import importlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from logitloss.evaluate import intervals

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

    from logitloss.evaluate.calibration import Decomposition


@dataclass(frozen=True)
class Estimate:
    """A number and its standard error, nan where there is none."""

    value: float
    standard_error: float


NONE = Estimate(math.nan, math.nan)


class _Mean:
    """What a mean and its standard error say: an interval by Student's t."""

    dof: float
    correction: float

    def _interval(self, mean: float, error: float, level: float) -> tuple[float, float]:
        half = intervals.t_quantile((1 + _checked(level)) / 2, self.dof) * self.correction * error
        return mean - half, mean + half


@dataclass(frozen=True)
class Score(_Mean):
    """How good the predictions for some rows are, in nats.

    With w the weight of a row, 1 without weights, l its loss, z its label, p the predicted probability and W the sum
    of the weights:

    `mean_loss` is the sum of w l over W. `standard_error` is its standard error: sqrt(n / (n - 1) * sum of
    (w (l - mean))^2) / W where rows are independent; with G clusters, and S their sums of w (l - mean),
    sqrt(G / (G - 1) * sum of S^2) / W. It is nan for one row or cluster, and where the mean is not finite. `base_loss`
    is the loss of always predicting the mean label, that is the binary entropy of that mean, or with classes, of always
    predicting their frequencies. `skill` is 1 - mean_loss / base_loss: 1 for perfect predictions, 0 for none better
    than the base rate, and nan where all labels are the same class, 0 or 1. `mean_label`, `mean_probability` and
    `brier_score`, the mean of (p - z)^2, are weighted too, over W; with classes, nan.

    `calibration_standard_error` is that of the mean label minus the mean probability: sqrt(sum of w^2 p (1 - p)) / W if
    the predictions are calibrated and rows independent; with clusters as for the loss.

    `clusters` is their number, None where rows count as independent. `effective_size` is how many rows, or clusters, of
    equal weight would say as much: the squared sum of their weights over the sum of their squares (Kish). `dof` are the
    degrees of freedom of the intervals: the number of clusters minus 1, or `effective_size` - 1 for rows. Below
    20 effective clusters `dof` is smaller and intervals are wider by the factor `correction`: see
    :func:`~logitloss.evaluate.intervals.few_clusters`.
    """

    rows: int
    weight: float
    mean_loss: float
    standard_error: float
    base_loss: float
    skill: float
    mean_label: float
    mean_probability: float
    brier_score: float = math.nan
    calibration_standard_error: float = math.nan
    clusters: int | None = None
    effective_size: float = math.nan
    dof: float = math.nan
    correction: float = 1.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the mean loss lies with so much confidence."""
        return self._interval(self.mean_loss, self.standard_error, level)

    @property
    def calibration_method(self) -> str:
        """How `calibration_interval` is found: "normal", or for few rows or clusters what is exact or corrected."""
        return intervals.calibration_method(self)

    def calibration_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the mean label minus the mean probability lies: calibrated predictions have 0 within it so often."""
        if self.clusters is None:
            return intervals.calibration(self, _checked(level))
        return self._interval(self.mean_label - self.mean_probability, self.calibration_standard_error, level)


class _Arrays:
    """Equal where the arrays of all fields are."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and all(
            np.array_equal(value, getattr(other, name), equal_nan=True) for name, value in vars(self).items()
        )

    __hash__: ClassVar[None] = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class Bins(_Arrays):
    """The rows by intervals of the logit, [lower, upper): the occupied ones in order, those at the ends open.

    `rows` counts, `effective_rows` says how many independent rows of equal weight would say as much, the others are
    sums: of the weights, and with the weight of the labels, of the predicted probabilities and of the losses.
    """

    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray
    effective_rows: np.ndarray
    weight: np.ndarray
    labels: np.ndarray
    probability: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True, eq=False)
class FineBins(_Arrays):
    """The rows by much narrower intervals of the logit, for what depends on their order: AUC, slope and intercept."""

    lower: np.ndarray
    upper: np.ndarray
    weight: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Losses(_Arrays):
    """The number of rows in each interval of the loss, [lower, upper), each from a power of 2 to the next."""

    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray

    def below(self, nats: float) -> int:
        """How many rows lose less than so much, a power of 2."""
        return int(self.rows[self.upper <= nats].sum())

    def from_(self, nats: float) -> int:
        """How many rows lose so much, a power of 2, or more."""
        return int(self.rows[self.lower >= nats].sum())


@dataclass(frozen=True)
class Brier:
    """The mean of (p - z)^2 as reliability - resolution + uncertainty.

    `reliability` and `uncertainty` are Murphy's (1973) over the bins of logits. `resolution` is the generalised one of
    Stephenson, Coelho and Jolliffe (2008), in which the rows of a bin need not have one probability.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float


@dataclass(frozen=True)
class Confusion:
    """The weight of the rows by label and prediction, positive where the probability is at least `threshold`."""

    threshold: float
    true_positives: float
    false_positives: float
    true_negatives: float
    false_negatives: float


Key = tuple[Any, ...]


class _Calibrated:
    """What is computed from the bins of some rows; None or nan without bins, as with classes."""

    bins: Bins | None
    fine_bins: FineBins | None
    confusions: tuple[Confusion, ...]

    def _score(self) -> Score:
        raise NotImplementedError

    def confusion(self, threshold: float) -> Confusion:
        """The counts at one of the thresholds that were asked for."""
        for one in self.confusions:
            if one.threshold == threshold:
                return one
        asked = ", ".join(str(one.threshold) for one in self.confusions) or "none"
        raise ValueError(f"threshold {threshold!r} was not counted, only {asked}; name it in thresholds= of score()")

    @functools.cached_property
    def decomposition(self) -> Decomposition | None:
        """The mean loss as miscalibration - discrimination + uncertainty."""
        return _calibration().decompose(self._score(), self.bins) if self._has_bins else None

    @functools.cached_property
    def brier(self) -> Brier | None:
        """The Brier score and its parts."""
        return _calibration().brier(self._score(), self.bins) if self._has_bins else None

    @functools.cached_property
    def expected_calibration_error(self) -> float:
        """The mean distance of label and prediction over the bins of logits, weighted by their weight."""
        return _calibration().expected_error(self.bins) if self._has_bins else math.nan

    @functools.cached_property
    def auc(self) -> tuple[float, float]:
        """An interval that holds the area under the ROC curve: its lower end counts ties within fine bins as wrong."""
        return _calibration().auc(self.fine_bins) if self._has_bins else (math.nan, math.nan)

    @property
    def slope(self) -> Estimate:
        """That of the labels' logistic regression on the logits: 1 if calibrated, less if overconfident."""
        return self._fit[0]

    @property
    def intercept(self) -> Estimate:
        """That of the same regression: 0 if calibrated."""
        return self._fit[1]

    @functools.cached_property
    def _fit(self) -> tuple[Estimate, Estimate]:
        return _calibration().fit(self.fine_bins, self.bins) if self._has_bins else (NONE, NONE)

    @property
    def _has_bins(self) -> bool:
        return self.bins is not None and len(self.bins.rows) > 0


def _calibration() -> ModuleType:
    return importlib.import_module("logitloss.evaluate.calibration")  # SciPy's optimizers take long to import


def _checked(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level!r}. 0.95 is usual.")
    return level


@dataclass(frozen=True)
class Group(_Calibrated):
    """The score of the rows that share one combination of key values.

    `contribution` is what the group adds to the mean loss of all rows: its weight times its mean loss minus that of all
    rows, over all weight, in nats; the contributions of all groups sum to 0. `bins` and `fine_bins` are None where
    there are more than 1,000 groups.
    """

    key: Key
    score: Score
    contribution: Estimate = NONE
    bins: Bins | None = None
    fine_bins: FineBins | None = None
    confusions: tuple[Confusion, ...] = ()

    def _score(self) -> Score:
        return self.score


class Lazy(Sequence):
    """A tuple of so many items that is made when it is first looked at: what is not shown takes no time."""

    def __init__(self, size: int, make: Callable[[], tuple[Any, ...]]):
        """`make` gives the items."""
        self._size, self._make = size, make

    @functools.cached_property
    def _items(self) -> tuple[Any, ...]:
        return self._make()

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Any) -> Any:
        return self._items[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    __hash__: ClassVar[None] = None  # type: ignore[assignment]

    def __getstate__(self) -> tuple[Any, ...]:
        return self._items

    def __setstate__(self, items: tuple[Any, ...]) -> None:
        self.__dict__.update(_items=items, _size=len(items))


class _Table:
    """What has numbers for all rows and for each group."""

    def __str__(self: Any) -> str:
        return _display().text(self)

    def __repr__(self: Any) -> str:
        parts = [f"rows={self.overall.rows}", f"mean_loss={self.overall.mean_loss!r}"]
        if self.by:
            parts += [f"by={self.by!r}", f"groups={len(self.groups)}"]
        return f"{type(self).__name__}({', '.join(parts)})"

    def to_arrow(self: Any) -> pa.Table:
        """A row for all rows and one for each group, with the keys, `scope` and the numbers of its score."""
        return _display().to_arrow(self)

    def to_pandas(self: Any) -> pd.DataFrame:
        """What `to_arrow` gives, as a DataFrame of pandas."""
        return self.to_arrow().to_pandas()

    def to_dict(self: Any) -> dict[str, Any]:
        """The numbers by name: `overall`, `by`, `decomposition`, and `groups` in a list, the worst first."""
        return _display().to_dict(self)

    def save(self: Any, path: str | os.PathLike[str], *, title: str | None = None, force: bool = False) -> None:
        """Write a file in the form that the end of its name says: .html (a page), .json, .csv, .parquet or .md.

        It holds the whole or, after an error, what it held before. `title` stands on top of a page.

        Raises:
            InputError: if the name ends otherwise, if the file cannot be written, if it is one of the sources or,
                without `force`, if another file stands there than a page or a Parquet file that `save` wrote.
        """
        _display().save(self, path, title=title, force=force)


def _display() -> ModuleType:
    """What shows a report. It stands above the reports and imports them; this is the one place that looks up."""
    return importlib.import_module("logitloss.evaluate.display")


@dataclass(frozen=True, repr=False)
class Report(_Table, _Calibrated):
    """The overall score, and that of each group in the order of its key; without `by` there are no groups.

    `bins`, `fine_bins` and `losses` are those of all rows. `skipped` says how many rows could not be scored, by reason;
    they are in no number. `zeros` and `ones` are the probabilities that were exactly 0 and 1, `between` the rows that
    look like probabilities. `sources` names what was read, `logits`, `labels` and `cluster` the columns. Printed it is
    a table, in a notebook a page; reports are equal where all but their sources are.
    """

    overall: Score
    by: tuple[str, ...]
    groups: Sequence[Group]
    bins: Bins  # pyright: ignore[reportIncompatibleVariableOverride]  # there are always those of all rows
    losses: Losses
    sources: tuple[str, ...] = field(compare=False)
    logits: str
    labels: str
    cluster: str | None = None
    fine_bins: FineBins | None = None
    confusions: tuple[Confusion, ...] = ()
    skipped: Mapping[str, int] = field(default_factory=dict)
    zeros: int = 0
    ones: int = 0
    between: int = 0

    def _score(self) -> Score:
        return self.overall

    def calibration_interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the mean label minus the mean probability lies: calibrated predictions have 0 within it so often."""
        return self.overall.calibration_interval(level)

    @property
    def loss_shares(self) -> dict[str, float]:
        """The shares of the rows that lose less than 0.5 nats, and 2 nats or more."""
        return {
            "below_0.5": to_float(self.losses.below(0.5), self.overall.rows),
            "from_2": to_float(self.losses.from_(2), self.overall.rows),
        }

    def _repr_html_(self) -> str:
        return _display().html(self)

    def plot(self) -> Figure:
        """The reliability diagram, as a Matplotlib figure."""
        return _display().plot(self)


@dataclass(frozen=True)
class Difference(_Mean):
    """Two mean losses of the same rows, in nats.

    `difference` is the mean over the rows of one loss minus the other, `mean_loss` - `other_loss` but for rounding:
    positive where the other is better. `standard_error` is that of the mean of these differences; it, `clusters`,
    `effective_size`, `dof` and `correction` are as in :class:`~logitloss.evaluate.Score`. `identical` says that both
    losses are the same in every row.
    """

    rows: int
    weight: float
    mean_loss: float
    other_loss: float
    difference: float
    standard_error: float
    identical: bool = False
    clusters: int | None = None
    effective_size: float = math.nan
    dof: float = math.nan
    correction: float = 1.0

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Where the difference lies with so much confidence."""
        return self._interval(self.difference, self.standard_error, level)

    def chances(self, margin: float) -> tuple[float, float]:
        """One-sided p-values: of a difference so large if it were `margin`, and of one so small."""
        if self.identical:
            return (1.0, 0.0) if margin >= 0 else (0.0, 1.0)
        if self.difference == math.inf:
            return 0.0, 1.0  # a probability of 0 for what happened
        if not self.standard_error > 0 or not math.isfinite(self.standard_error):
            return 1.0, 1.0
        distance = (self.difference - margin) / (self.standard_error * self.correction)
        return intervals.t_cdf(-distance, self.dof), intervals.t_cdf(distance, self.dof)

    def verdict(self, margin: float, level: float = 0.95) -> str:
        """What is sure: "no worse" than the other by more than `margin`, "worse" than that, or "inconclusive".

        Each is said only where a one-sided bound of this confidence lies on that side of the margin. Losses that are
        the same in every row are no worse. Without a standard error, or with one of 0, nothing is sure.
        """
        return verdict_of(*self.chances(margin), 1 - _checked(level))

    def further(self, margin: float, level: float = 0.95) -> int | None:
        """About how many more rows, or clusters where there are, would decide; None where none would."""
        distance, needed = abs(self.difference - margin), intervals.t_quantile(_checked(level), self.dof)
        half = needed * self.correction * self.standard_error
        if not (math.isfinite(half) and math.isfinite(distance) and distance > 0):
            return None
        size = self.rows if self.clusters is None else self.clusters
        return max(0, math.ceil(size * ((half / distance) ** 2 - 1)))


def verdict_of(too_large: float, too_small: float, chance: float) -> str:
    """The verdict at p-values such as `Difference.chances` gives."""
    return "no worse" if too_small <= chance else "worse" if too_large <= chance else "inconclusive"


@dataclass(frozen=True)
class GroupDifference:
    """The difference on the rows that share one combination of key values, and what it adds to that of all rows."""

    key: Key
    score: Difference
    contribution: Estimate = NONE


@dataclass(frozen=True, repr=False)
class Comparison(_Table):
    """The overall difference, and that of each group in the order of its key. Printed it is a table."""

    overall: Difference
    by: tuple[str, ...]
    groups: Sequence[GroupDifference]
    sources: tuple[str, ...] = field(compare=False)
    others: tuple[str, ...] = field(compare=False)
    cluster: str | None = None

    def verdict(self, margin: float, level: float = 0.95) -> str:
        """That of all rows: see :meth:`Difference.verdict`."""
        return self.overall.verdict(margin, level)

    def group_verdicts(self, margin: float, level: float = 0.95) -> tuple[str, ...]:
        """One for each group, by Holm's correction: any of one kind is false with a chance of 1 - level at most."""
        chances = [group.score.chances(margin) for group in self.groups]
        adjusted = [intervals.holm(side) for side in zip(*chances, strict=True)]
        return tuple(verdict_of(more, less, 1 - _checked(level)) for more, less in zip(*adjusted, strict=True))


def to_float(numerator: int, denominator: int) -> float:
    """The quotient rounded once, infinite where it is too large for a float; nan for nothing over nothing."""
    if not denominator:
        return math.nan
    try:
        return numerator / denominator  # Python divides integers with one rounding
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def binary_entropy(p: float) -> float:
    """-p log p - (1-p) log(1-p), with 0 log 0 = 0."""
    return -p * math.log(p) - (1 - p) * math.log1p(-p) if 0 < p < 1 else 0.0
