"""What stands in the page of a report: which numbers, beside which figures; the sentences are those of `sentences`."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from logitloss.evaluate.calibration import POINT_ROWS, Decomposition, Points
from logitloss.evaluate.display import figures
from logitloss.evaluate.display.findings import LEVEL, MOST_VERDICTS, Findings
from logitloss.evaluate.display.numbers import error, interval, nats, number, percent, signed
from logitloss.evaluate.display.sentences import say
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Estimate, Group, Score

SHOWN_GROUPS = 10  # in the table; the others are folded
MOST_GROUPS = MOST_VERDICTS  # in the page; more are for a program to read
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
        yield _reliability(found, found.points)
    if found.parts:
        yield _parts(found.overall.mean_loss, found.parts)


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
    """The table of the groups, the worst first, and what to see in it."""
    if not found.groups:
        return
    by = [*map(cell, found.report.by)]
    weight = ["weight"] if found.is_weighted else []
    head = [*by, "rows", *weight, "mean loss", "± s.e.", "contribution", "± its s.e.", "base-rate loss", "skill"]
    head += ["mean label", "mean prediction", "predictions are"] if found.binary else []

    def row(key: Sequence[str], score: Score, contribution: Sequence[str], verdict: str) -> list[str]:
        cells = [*key, f"{score.rows:,}", *([f"{score.weight:,g}"] if weight else []), nats(score.mean_loss)]
        cells += [error(score.standard_error), *contribution, nats(score.base_loss), number(score.skill, ".3f")]
        return cells + ([percent(score.mean_label), percent(score.mean_probability), verdict] if found.binary else [])

    rows = [
        row(
            [*map(cell, group.key)],
            group.score,
            [signed(group.contribution.value), error(group.contribution.standard_error)],
            verdict,
        )
        for group, verdict in zip(found.groups[:MOST_GROUPS], found.verdicts, strict=True)
    ]
    whole = row(["all", *[""] * len(by)][: len(by)], found.overall, ["", ""], found.verdict)
    tables = folding(head, rows, len(found.groups), len(by), whole, words=("predictions are",))
    yield Section(f"By {' and '.join(by)}", say("groups off", found), *tables)


def folding(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    count: int,
    keys: int,
    whole: Sequence[str],
    words: Sequence[str] = (),
) -> tuple[Table, Table | None]:
    """The table of the first of `count` groups and of all rows, and that of the others."""
    caption = "Worst first" if count <= SHOWN_GROUPS else f"The worst {SHOWN_GROUPS} of {count:,} groups"
    table = Table(caption, head, rows[:SHOWN_GROUPS], keys, words, whole)
    if count <= SHOWN_GROUPS:
        return table, None
    caption = f"The other {count - SHOWN_GROUPS:,} groups"
    if count > MOST_GROUPS:
        caption = f"The next {MOST_GROUPS - SHOWN_GROUPS:,} groups; --format csv gives all {count:,}"
    return table, Table(caption, head, rows[SHOWN_GROUPS:], keys, words)


def worst(found: Findings) -> Iterator[Section]:
    """The groups that lose more than all rows do, drawn."""
    worse = [
        group for group in found.groups if not group.contribution.value <= 0 and math.isfinite(group.score.mean_loss)
    ]
    if len(found.groups) > 1 and worse:
        yield _worst(worse[:MOST_DRAWN], found.overall)


def numbers(found: Findings) -> Section:
    """The numbers of all rows that reviewers ask for."""
    score, report = found.overall, found.report
    low, high = score.interval(LEVEL)
    rows = [
        ("rows", f"{score.rows:,}"),
        *([("weight", f"{score.weight:,g}")] if found.is_weighted else []),
        *([(f"clusters: {cell(report.cluster)}", f"{score.clusters:,}")] if found.clustered else []),
        ("mean loss in nats", nats(score.mean_loss)),
        ("its 95% interval", interval(max(0.0, low), high, nats)),
        ("base-rate loss", nats(score.base_loss)),
        ("skill", number(score.skill, ".4f")),
    ]
    brier, (low, high) = report.brier, report.auc
    if brier:
        rows += [
            ("mean label", percent(score.mean_label, 2)),
            ("mean prediction", percent(score.mean_probability, 2)),
            ("Brier score", nats(brier.score)),
            ("= reliability", error(brier.reliability)),
            ("− resolution", nats(brier.resolution)),
            ("+ uncertainty", nats(brier.uncertainty)),
            ("expected calibration error", error(report.expected_calibration_error)),
            ("calibration slope", _estimate(report.slope, found)),
            ("intercept", _estimate(report.intercept, found)),
            ("area under the ROC curve", interval(low, high, "{:.4f}".format)),
        ]
    return Section("The numbers", table=Table("All rows", ("number", "value"), rows))


def _estimate(of: Estimate, found: Findings) -> str:
    """The number and its standard error, which takes rows to be independent, and so is left out with clusters."""
    if math.isnan(of.value):
        return "n/a"
    return number(of.value, ".3f") + ("" if found.clustered else f" ± {error(of.standard_error)}")


def confusions(found: Findings) -> Iterator[Section]:
    """The counts at the thresholds that were asked for."""
    if not found.report.confusions:
        return
    head = ("predicted from", "true positives", "false positives", "true negatives", "false negatives")
    rows = [[f"{value:,.10g}" for value in dataclasses.astuple(one)] for one in found.report.confusions]
    caption = "Weight of the rows" if found.is_weighted else "Rows"
    yield Section("At thresholds", table=Table(caption, head, rows))


def _reliability(found: Findings, drawn: Points) -> Section:
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


def _parts(loss: float, parts: Decomposition) -> Section:
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
