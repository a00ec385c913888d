"""What stands in the page of a report: which numbers, beside which figures; the sentences are those of `sentences`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from logitloss.evaluate.calibration import DRAWS, POINT_ROWS
from logitloss.evaluate.display import figures
from logitloss.evaluate.display.findings import Findings
from logitloss.evaluate.display.numbers import error, nats, number, percent, signed
from logitloss.evaluate.display.sentences import say
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Group, Score

SHOWN_GROUPS = 10  # in the table; the others are folded
MOST_GROUPS = 1000  # in the page; more are for a program to read
MOST_DRAWN = 12  # in the figure of the worst


@dataclass(frozen=True)
class Table:
    """A caption, a head and rows. The first `keys` columns name the row, those in `words` hold text."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    keys: int = 1
    words: Sequence[str] = ()
    whole: Sequence[str] | None = None  # the row of all rows, which comes last


@dataclass(frozen=True)
class Drawing:
    """A figure, and the table that says the same where no other table of the page does."""

    svg: Markup
    caption: str
    table: Table | None = None


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    heading: str
    sentences: Sequence[str] = ()
    table: Table | None = None
    folded: Table | None = None  # more of the same table
    drawing: Drawing | None = None
    tall: bool = False  # as high as two others beside it


def calibration(found: Findings) -> Iterator[Section]:
    """The reliability diagram, and with it where the loss comes from."""
    if found.points:
        yield _reliability(found)
        yield _parts(found)


def losses(found: Findings) -> Iterator[Section]:
    """Which losses occur."""
    losses = found.report.losses
    if not len(losses.rows):
        return
    sentences = say("losses", found)
    title = "How many rows have which loss"
    caption = "Each bar is twice as wide in nats as the one before it."
    share = losses.rows / losses.rows.sum()
    rows = [
        [f"{low:.3g} to {high:.3g}", f"{count:,}", percent(part)]
        for low, high, count, part in zip(losses.lower, losses.upper, losses.rows, share, strict=True)
        if count
    ]
    svg = figures.svg(figures.losses(losses, found.overall), title, " ".join([*sentences, caption]))
    table = Table(title, ("loss in nats", "rows", "share of rows"), rows)
    yield Section("Which losses occur", sentences, drawing=Drawing(svg, caption, table))


def groups(found: Findings) -> Iterator[Section]:
    """The table of the groups, the worst first, and what to see in it; some of them drawn."""
    if not found.groups:
        return
    by = [*map(cell, found.report.by)]
    weight = ["weight"] if found.is_weighted else []
    head = [*by, "rows", *weight, "mean loss", "± s.e.", "contribution", "base-rate loss", "skill"]
    head += ["mean label", "mean prediction", "predictions are"] if found.binary else []

    def row(key: Sequence[str], score: Score, contribution: str, verdict: str) -> list[str]:
        cells = [*key, f"{score.rows:,}", *([f"{score.weight:,g}"] if weight else []), nats(score.mean_loss)]
        cells += [error(score.standard_error), contribution, nats(score.base_loss), number(score.skill, ".3f")]
        return cells + ([percent(score.mean_label), percent(score.mean_probability), verdict] if found.binary else [])

    rows = [
        row([*map(cell, group.key)], group.score, signed(contribution), verdict)
        for (group, contribution), verdict in zip(found.groups[:MOST_GROUPS], found.verdicts[:MOST_GROUPS], strict=True)
    ]
    whole = row(["all", *[""] * len(by)][: len(by)], found.overall, "", found.verdict)
    count, words = len(found.groups), ("predictions are",)
    caption = "Worst first" if count <= SHOWN_GROUPS else f"The worst {SHOWN_GROUPS} of {count:,} groups"
    table = Table(caption, head, rows[:SHOWN_GROUPS], len(by), words, whole)
    folded = None
    if count > SHOWN_GROUPS:
        caption = f"The other {count - SHOWN_GROUPS:,} groups"
        if count > MOST_GROUPS:
            caption = f"The next {MOST_GROUPS - SHOWN_GROUPS:,} groups; --format csv gives all {count:,}"
        folded = Table(caption, head, rows[SHOWN_GROUPS:], len(by), words)
    sentences = say("groups off", found)
    yield Section(f"By {' and '.join(by)}", sentences, table, folded)


def worst(found: Findings) -> Iterator[Section]:
    """The groups that lose more than all rows do, drawn."""
    worse = [group for group, part in found.groups if not part <= 0 and math.isfinite(group.score.mean_loss)]
    if len(found.groups) > 1 and worse:
        yield _worst(worse[:MOST_DRAWN], found.overall)


def numbers(found: Findings) -> Section:
    """The numbers of all rows."""
    score = found.overall
    rows = [
        ("rows", f"{score.rows:,}"),
        *([("weight", f"{score.weight:,g}")] if found.is_weighted else []),
        ("mean loss in nats", nats(score.mean_loss)),
        ("standard error", error(score.standard_error)),
        ("base-rate loss", nats(score.base_loss)),
        ("skill", number(score.skill, ".4f")),
    ]
    if found.binary:
        rows += [("mean label", percent(score.mean_label, 2)), ("mean prediction", percent(score.mean_probability, 2))]
    return Section("The numbers", table=Table("All rows", ("number", "value"), rows))


def words(found: Findings) -> list[tuple[str, str]]:
    """The terms of this page, for those who have not met them before."""
    terms = [
        ("loss", "Minus the logarithm of the probability that was given to what happened, in nats. Less is better."),
        ("base rate", "Always predicting the mean label of the rows at hand; no other constant loses less."),
        ("skill", "1 − mean loss ÷ base-rate loss: 1 is perfect, 0 as good as the base rate of the same rows."),
    ]
    if not found.binary:
        terms[1] = "base rate", "Always predicting how frequent each class is among the rows at hand."
    if found.groups:
        terms.append(
            (
                "contribution",
                "The share of the rows that are in the group, times what its mean loss is above that of all rows. A "
                "group can lose much because it is hard: compare its base-rate loss and its skill.",
            )
        )
    if found.groups and found.binary:
        terms.append(
            (
                "predictions are",
                "Too low or too high where the mean prediction lies outside the 95% interval (Clopper and Pearson) of "
                "the mean label of the group. Within chance, the number of rows is too small to say so.",
            )
        )
    if found.parts:
        terms.append(
            (
                "miscalibration, discrimination",
                "Found by isotonic regression on bins of a quarter of a logit (CORP). Differences between the "
                "predictions within a bin count as discrimination. What perfectly calibrated predictions show is the "
                f"mean over {DRAWS} draws of labels from the predictions themselves.",
            )
        )
    return terms


def _reliability(found: Findings) -> Section:
    drawn = found.points
    sentences = say("curve", found)
    caption = (
        "Logit axes: doubling the odds is the same distance everywhere. Below the diagonal, predictions are too high. "
        f"A point is a quarter of a logit wide, or as wide as {POINT_ROWS} rows need."
    )
    title = "Observed against predicted share of positives"
    columns = (drawn.predicted, drawn.observed, drawn.low, drawn.high, drawn.rows)
    rows = [
        [percent(predicted), percent(observed), f"{percent(low)} to {percent(high)}", f"{rows:,}"]
        for predicted, observed, low, high, rows in zip(*columns, strict=True)
    ]
    table = Table(title, ("predicted", "observed", "95% interval", "rows"), rows)
    svg = figures.svg(figures.reliability(found.bins), title, " ".join([*sentences, caption]))
    return Section("Is it calibrated?", sentences, drawing=Drawing(svg, caption, table), tall=True)


def _parts(found: Findings) -> Section:
    parts, loss = found.parts, found.overall.mean_loss
    digits = 4 - math.floor(math.log10(loss)) if 0 < loss < math.inf else 5
    lines = (
        ("uncertainty", parts.uncertainty, "of always predicting the mean label"),
        ("−\u00a0discrimination", -parts.discrimination, "what the ranking of the rows gains"),
        ("+\u00a0miscalibration", parts.miscalibration, "what recalibrating would save, chance included"),
        ("=\u00a0mean\u00a0loss", loss, ""),
    )
    rows = [[name, number(value, f".{digits}f"), meaning] for name, value, meaning in lines]
    table = Table("In nats", ("part", "nats", "meaning"), rows, words=("meaning",))
    return Section("Where the loss comes from", table=table)


def _worst(groups: Sequence[Group], overall: Score) -> Section:
    title = "Mean loss of the worst groups"
    if not math.isnan(overall.mean_label):
        title = "Mean loss, mean label and mean prediction of the worst groups"
    caption = "The numbers are in the table of the groups."
    drawing = figures.svg(figures.worst(groups, overall), title, f"{title}. {caption}")
    return Section("The worst groups", drawing=Drawing(drawing, caption))
