"""What stands in the page of a report: which numbers, in which words, beside which figures."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from logitloss.evaluate.calibration import DRAWS, POINT_ROWS, decompose, interval, points, weighted
from logitloss.evaluate.display import figures
from logitloss.evaluate.display.ranking import ranked
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Bins, Group, Report, Score

MOST_GROUPS = 100  # in the table; more are for a program to read, from the CSV
MOST_DRAWN = 12  # in the figure of the worst


@dataclass(frozen=True)
class Drawing:
    """A figure, and the table that says the same where no other table of the page does."""

    svg: Markup
    title: str
    caption: str
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; `table` is a caption, a head and rows."""

    heading: str
    sentences: Sequence[str]
    table: tuple[str, Sequence[str], Sequence[Sequence[str]]] | None = None
    drawing: Drawing | None = None
    tall: bool = False  # as high as two others beside it


@dataclass(frozen=True)
class Groups:
    """The table of the groups, of which the last row is all rows; `key_columns` come first."""

    by: str
    sentences: Sequence[str]
    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    key_columns: int


def is_binary(report: Report) -> bool:
    """Whether the logits are numbers, so that there are predicted probabilities to speak of."""
    return len(report.bins.rows) > 0


def groups_of(report: Report) -> Groups:
    """The table of the groups, the worst first, and what to see in it."""
    groups = ranked(report)
    binary, weighs = is_binary(report), report.overall.weight != report.overall.rows
    head = [*map(cell, report.by), "rows", *(["weight"] if weighs else []), "mean loss", "± s.e.", "base rate’s loss"]
    head += ["skill", "share of excess", *(["mean label", "mean prediction", "predictions are"] if binary else [])]

    def row(key: Sequence[str], score: Score, share: str) -> list[str]:
        cells = [*key, f"{score.rows:,}", *([f"{score.weight:,g}"] if weighs else []), nats(score.mean_loss)]
        cells += [error(score.standard_error), nats(score.base_loss), number(score.skill, ".3f"), share]
        return cells + ([percent(score.mean_label), percent(score.mean_probability), verdict(score)] if binary else [])

    rows = [row([*map(cell, group.key)], group.score, number(share, "+.1%")) for group, share in groups[:MOST_GROUPS]]
    rows.append(row(["all", *[""] * len(report.by)][: len(report.by)], report.overall, ""))
    caption = "Worst first" if len(groups) <= MOST_GROUPS else f"The worst {MOST_GROUPS} of {len(groups):,} groups"
    (first, share), *_ = groups
    sentences = []
    if share > 0:
        score, overall = first.score, report.overall
        sentences.append(
            f"{', '.join(map(cell, first.key))} has the largest share of the excess, {percent(share)}: its mean loss "
            f"is {nats(score.mean_loss)}, that of all rows {nats(overall.mean_loss)}. Always predicting its own base "
            f"rate would lose {nats(score.base_loss)}; its skill is {number(score.skill, '.3f')}, that of all rows "
            f"{number(overall.skill, '.3f')}."
        )
    if binary:
        off = sum(verdict(group.score) != FINE for group, _ in groups)
        sentences.append(
            f"The mean prediction lies outside the 95% interval of the mean label in {off or 'none'} of "
            f"{len(groups):,} groups; were all predictions right, it would in at most one of twenty by chance."
        )
    by = " and ".join(map(cell, report.by))
    return Groups(by, sentences, caption, head, rows, len(report.by))


def sections_of(report: Report, *, whole: bool) -> Iterator[Section]:
    """The sections below the groups; of a part of a page, the reliability diagram alone."""
    worse = [group for group, share in ranked(report) if not share <= 0 and math.isfinite(group.score.mean_loss)]
    if whole and worse:
        yield _worst(worse[:MOST_DRAWN], report.overall)
    if is_binary(report):
        bins = weighted(report.bins)
        yield _reliability(bins)
        if whole:
            yield _parts(report.overall, bins)
    if whole and len(report.losses.rows):
        yield _losses(report)


def _worst(groups: Sequence[Group], overall: Score) -> Section:
    caption = "Mean loss with its 95% interval; dashed, all rows."
    title = "Mean loss of the worst groups"
    if not math.isnan(overall.mean_label):
        caption += " On the right the mean label with its 95% interval, and as a bar the mean prediction."
        title = "Mean loss, mean label and mean prediction of the worst groups"
    drawing = figures.svg(figures.worst(groups, overall), title, f"{caption} The numbers are in the table.")
    return Section("The worst groups", (), drawing=Drawing(drawing, title, caption))


def _reliability(bins: Bins) -> Section:
    drawn = points(bins)
    inside = (drawn.low <= drawn.predicted) & (drawn.predicted <= drawn.high)
    least, most = percent(drawn.predicted[0]), percent(drawn.predicted[-1])
    sentence = (
        f"At {len(inside) - inside.sum() or 'none'} of {len(inside)} points, from predictions of {least} to {most}, "
        "the observed share differs from the prediction by more than chance explains, at 95%."
    )
    caption = (
        "Logit axes: doubling the odds is the same distance everywhere. Below the diagonal, predictions are too high. "
        f"A point is a quarter of a logit wide, or as wide as {POINT_ROWS} rows need."
    )
    title = "Observed against predicted share of positives"
    columns = (drawn.predicted, drawn.observed, drawn.low, drawn.high)
    rows = [
        [percent(predicted), percent(observed), f"{percent(low)} to {percent(high)}", f"{rows:,}"]
        for predicted, observed, low, high, rows in zip(*columns, drawn.rows, strict=True)
    ]
    head = ("predicted", "observed", "95% interval", "rows")
    svg = figures.svg(figures.reliability(bins), title, f"{sentence} {caption}")
    return Section("Is it calibrated?", (sentence,), drawing=Drawing(svg, title, caption, head, rows), tall=True)


def _parts(overall: Score, bins: Bins) -> Section:
    parts = decompose(overall, bins)
    digits = 4 - math.floor(math.log10(overall.mean_loss)) if 0 < overall.mean_loss < math.inf else 5
    numbers = (parts.uncertainty, -parts.discrimination, parts.miscalibration, overall.mean_loss)
    names = ("uncertainty", "−\u00a0discrimination", "+\u00a0miscalibration", "=\u00a0mean\u00a0loss")
    meanings = (
        "of always predicting the mean label",
        "what the ranking of the rows gains",
        "what recalibrating would save",
        "",
    )
    rows = [
        [name, number(value, f".{digits}f"), meaning]
        for name, value, meaning in zip(names, numbers, meanings, strict=True)
    ]
    sentences = [
        f"Better calibrated probabilities in the same order would lose {error(parts.miscalibration)} nats less, "
        f"{percent(parts.miscalibration / overall.mean_loss if overall.mean_loss else 0.0)} of the loss. Chance alone "
        f"makes calibrated ones seem to lose {error(parts.chance)}."
    ]
    return Section("Where the loss comes from", sentences, ("In nats", ("part", "nats", "meaning"), rows))


def _losses(report: Report) -> Section:
    losses, overall = report.losses, report.overall
    share = losses.rows / losses.rows.sum()
    half = losses.upper[np.searchsorted(np.cumsum(share), 0.5)]
    most = losses.lower[len(share) - 1 - np.searchsorted(np.cumsum(share[::-1]), 0.01)]
    sentence = f"At least half of the rows lose less than {half:.3g} nats, the worst hundredth {most:.3g} or more."
    title = "How many rows have which loss"
    caption = "Each bar is twice as wide in nats as the one before it. Dashed: the mean loss."
    rows = [
        [f"{low:.3g} to {high:.3g}", f"{count:,}", percent(part)]
        for low, high, count, part in zip(losses.lower, losses.upper, losses.rows, share, strict=True)
        if count
    ]
    svg = figures.svg(figures.losses(losses, overall), title, f"{sentence} {caption}")
    drawing = Drawing(svg, title, caption, ("loss in nats", "rows", "share of rows"), rows)
    return Section("Which losses occur", (sentence,), drawing=drawing)


FINE = "within chance"


def verdict(score: Score) -> str:
    """Whether the mean prediction lies in the 95 % interval of the mean label."""
    low, high = interval(np.array(score.mean_label), np.array(score.rows))
    if math.isnan(score.mean_label) or low <= score.mean_probability <= high:
        return FINE
    return "too low" if score.mean_probability < low else "too high"


def number(value: float, form: str) -> str:
    """The number in this form, with a minus sign that is one."""
    if math.isnan(value):
        return "n/a"
    return "infinite" if math.isinf(value) else format(value, form).replace("-", "−")


def nats(value: float) -> str:
    """A loss, with four digits."""
    return _digits(value, 4)


def error(value: float) -> str:
    """A standard error, with two digits."""
    return _digits(value, 2)


def _digits(value: float, digits: int) -> str:
    small = 1e-7 < abs(value) < 1e-4  # what Python would write with an exponent
    form = f".{digits - 1 - math.floor(math.log10(abs(value)))}f" if small else f"#.{digits}g"
    return number(value, form).rstrip(".")


def percent(share: float) -> str:
    """A share, with a digit behind the point, and more where it is next to 0 or 1."""
    rest, digits = min((abs(share), 2), (abs(1 - share), 1))
    form = f".{digits - 3 - math.floor(math.log10(max(rest, 1e-12)))}f" if 0 < rest < 0.001 else ".1f"
    text = number(100 * share, form)
    return text + "%" if math.isfinite(share) else text


# For those who have not met them before.
WORDS = (
    ("loss", "Minus the logarithm of the probability that was given to what came true, in nats. Less is better."),
    (
        "base rate",
        "Always predicting the mean label of the rows at hand; its loss is the least that a constant can reach.",
    ),
    ("skill", "1 − loss ÷ the base rate’s loss: 1 is perfect, 0 no better than the base rate of the same rows."),
    (
        "share of excess",
        "A group’s rows times what its mean loss is above that of all rows. The groups above it share 100%, those "
        "below it −100%. A group can have a high loss because it is hard: compare its base rate’s loss and its skill.",
    ),
    (
        "predictions are",
        "Too low or too high where the mean prediction lies outside the 95% interval (Clopper and Pearson) of the mean "
        "label of the group. Within chance, the number of rows is too small to say so.",
    ),
    (
        "miscalibration, discrimination",
        "Found by isotonic regression on bins of a quarter of a logit (CORP). Differences between the predictions "
        "within a bin count as discrimination. What chance makes of calibrated predictions is the mean over "
        f"{DRAWS} draws of labels from the predictions themselves.",
    ),
)
