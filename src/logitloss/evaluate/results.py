"""What is found: scores, the bins of logits and losses, and differences of two models; each number is rounded once."""

from __future__ import annotations

import functools
import importlib
import math
import operator
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from matplotlib.figure import Figure

# What a score is made from. With w the weight, z the label, l the loss and p the predicted probability, the sums are
# those of w, w^2, w l, w^2 l, (w l)^2, w z and w (p - z); the last keeps the digits of predictions that are good.
SUMS = ("weight", "weight2", "loss", "weight2_loss", "loss2", "label", "residual")
COUNTS = ("rows", "infinite", "undefined", "overflowed")  # all; infinite and nan losses; squares beyond float64


@dataclass(frozen=True)
class Score:
    """How good the predictions for some rows are, in nats.

    With w the weight of a row, 1 without weights, l its loss and W the sum of the weights:

    `mean_loss` is the sum of w l over W. `standard_error` is its standard error, sqrt(n / (n - 1) * sum of
    (w (l - mean))^2) / W, nan for one row and where the mean is not finite. `base_loss` is the loss of always
    predicting the mean label, that is the binary entropy of that mean, or with classes, of always predicting their
    frequencies.
    `skill` is 1 - mean_loss / base_loss: 1 for perfect predictions, 0 for none better than the base rate, and nan where
    all labels are the same class, 0 or 1. `mean_label` and `mean_probability` are weighted too, over W; with classes,
    nan.
    """

    rows: int
    weight: float
    mean_loss: float
    standard_error: float
    base_loss: float
    skill: float
    mean_label: float
    mean_probability: float


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

    `rows` counts, the others are sums: of the weights, and with the weight of the labels, of the predicted
    probabilities and of the losses.
    """

    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray
    weight: np.ndarray
    labels: np.ndarray
    probability: np.ndarray
    loss: np.ndarray


@dataclass(frozen=True, eq=False)
class Losses(_Arrays):
    """The number of rows by intervals of the loss, [lower, upper), each from a power of 2 to the next."""

    lower: np.ndarray
    upper: np.ndarray
    rows: np.ndarray


Key = tuple[Any, ...]


@dataclass(frozen=True)
class Group:
    """The score of the rows that share one combination of key values."""

    key: Key
    score: Score


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
class Report(_Table):
    """The overall score, and that of each group in the order of its key; without `by` there are no groups.

    `bins` and `losses` are those of all rows. `skipped` rows could not be scored and are in no number; `zeros` and
    `ones` are the probabilities that were exactly 0 and 1. `sources` names what was read, `logits` and `labels` the
    columns. Printed it is a table, in a notebook a page; reports are equal where all but their sources are.
    """

    overall: Score
    by: tuple[str, ...]
    groups: tuple[Group, ...]
    bins: Bins
    losses: Losses
    sources: tuple[str, ...] = field(compare=False)
    logits: str
    labels: str
    skipped: int = 0
    zeros: int = 0
    ones: int = 0

    def _repr_html_(self) -> str:
        return _display().html(self)

    def plot(self) -> Figure:
        """The reliability diagram, as a Matplotlib figure."""
        return _display().plot(self)


@dataclass(frozen=True)
class Difference:
    """Two mean losses of the same rows, in nats.

    `difference` is the mean over the rows of one loss minus the other, `mean_loss` - `other_loss` but for rounding:
    positive where the other is better. `standard_error` is that of the mean of these differences, by the formula of
    :class:`~logitloss.evaluate.Score`.
    """

    rows: int
    weight: float
    mean_loss: float
    other_loss: float
    difference: float
    standard_error: float


@dataclass(frozen=True)
class GroupDifference:
    """The difference on the rows that share one combination of key values."""

    key: Key
    score: Difference


@dataclass(frozen=True, repr=False)
class Comparison(_Table):
    """The overall difference, and that of each group in the order of its key. Printed it is a table."""

    overall: Difference
    by: tuple[str, ...]
    groups: tuple[GroupDifference, ...]
    sources: tuple[str, ...] = field(compare=False)
    others: tuple[str, ...] = field(compare=False)


def to_float(numerator: int, denominator: int) -> float:
    """The quotient rounded once, infinite where it is too large for a float; nan for nothing over nothing."""
    if not denominator:
        return math.nan
    try:
        return numerator / denominator  # Python divides integers with one rounding
    except OverflowError:
        return math.inf if numerator > 0 else -math.inf


def score_of(sums: Mapping[str, int], classes: Mapping[int, int], unit: int) -> Score:
    """The score of the rows with these counts and sums; `unit` is the integer that stands for a sum of 1."""
    # Without the zeros at their ends: few sums need all of their thousand bits, and products of those take long.
    bits = functools.reduce(operator.or_, (sums[name] for name in SUMS), unit)
    shift = (bits & -bits).bit_length() - 1
    unit, sums = unit >> shift, {**sums, **{name: sums[name] >> shift for name in SUMS}}
    rows, weight = sums["rows"], sums["weight"]
    loss = to_float(sums["loss"], weight)
    if sums["undefined"] or sums["infinite"]:
        loss = math.nan if sums["undefined"] else math.inf
    if classes:
        label = probability = math.nan
        base = _entropy(classes)
    else:
        label, probability = (to_float(part, weight) for part in (sums["label"], sums["label"] + sums["residual"]))
        base = binary_entropy(label)
    skill = 1 - loss / base if base else math.nan
    error = _standard_error(rows, sums, unit) if math.isfinite(loss) else math.nan
    if sums["overflowed"] and not math.isnan(error):
        error = math.inf
    return Score(rows, to_float(weight, unit), loss, error, base, skill, label, probability)


def binary_entropy(p: float) -> float:
    """-p log p - (1-p) log(1-p), with 0 log 0 = 0."""
    return -p * math.log(p) - (1 - p) * math.log1p(-p) if 0 < p < 1 else 0.0


def _standard_error(rows: int, sums: Mapping[str, int], unit: int) -> float:
    """From the sum of (w l - w m)^2, expanded: in integers, because what is left when the terms cancel is wanted."""
    if rows < 2 or not sums["weight"]:
        return math.nan
    weight, loss = sums["weight"], sums["loss"]  # their quotient is m
    squares = sums["loss2"] * weight**2 - 2 * sums["weight2_loss"] * loss * weight + sums["weight2"] * loss**2
    # Products that were rounded can leave a little less than nothing.
    return math.sqrt(max(0.0, to_float(squares * rows * unit, weight**4 * (rows - 1))))


def _entropy(weights: Mapping[int, int]) -> float:
    """The sum of -p log p over the classes' shares p, with log1p for the digits of a share next to 1."""
    whole = sum(weights.values())
    return math.fsum(to_float(w, whole) * math.log1p(to_float(whole - w, w)) for w in weights.values() if w)
