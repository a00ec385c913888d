"""What stands in the page of a comparison; the sentences are those of `sentences.comparison`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from logitloss.evaluate.display import figures
from logitloss.evaluate.display.findings import LEVEL
from logitloss.evaluate.display.numbers import error, interval, nats, signed
from logitloss.evaluate.display.ranking import ranked
from logitloss.evaluate.display.sections import MOST_DRAWN, MOST_GROUPS, Drawing, Section, folding
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Comparison, Difference


def groups(result: Comparison) -> Iterator[Section]:
    """The table of the differences by group, the largest contribution first, and some of them drawn."""
    if not result.groups:
        return
    by, ordered = [*map(cell, result.by)], ranked(result)
    weight = ["weight"] if result.overall.weight != result.overall.rows else []
    head = [*by, "rows", *weight, "mean loss", "other loss", "difference", "its 95% interval"]
    head += ["contribution", "± its s.e."]

    def row(key: Sequence[str], score: Difference, contribution: Sequence[str]) -> list[str]:
        cells = [*key, f"{score.rows:,}", *([f"{score.weight:,g}"] if weight else [])]
        cells += [nats(score.mean_loss), nats(score.other_loss), signed(score.difference)]
        return [*cells, interval(*score.interval(LEVEL), signed), *contribution]

    rows = [
        row(
            [*map(cell, group.key)],
            group.score,
            [signed(group.contribution.value), error(group.contribution.standard_error)],
        )
        for group in ordered[:MOST_GROUPS]
    ]
    whole = row(["all", *[""] * len(by)][: len(by)], result.overall, ["", ""])
    yield Section(f"By {' and '.join(by)}", (), *folding(head, rows, len(ordered), len(by), whole))
    if len(ordered) > 1:
        title, caption = "Difference of the mean losses by group", "Above 0 the other model loses less."
        svg = figures.svg(figures.differences(ordered[:MOST_DRAWN], result.overall), title, f"{title}. {caption}")
        yield Section("The differences", drawing=Drawing(svg, caption))


def words(result: Comparison) -> Iterator[tuple[str, str]]:
    """Each term of the page and its meaning."""
    yield "loss", "Minus the logarithm of the probability that was given to what happened, in nats. Less is better."
    yield (
        "difference",
        "The mean over the rows of the model’s loss minus the other’s: above 0 the other model is better.",
    )
    if result.groups:
        yield "contribution", "The group’s share of all rows, or of their weight, times its difference; they add up."
