"""The groups of a report or a comparison in the order in which they are shown, each with its part in the whole."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from logitloss.evaluate.results import Comparison, Report


def ranked(result: Report | Comparison) -> list[tuple[Any, float]]:
    """The groups, each with its contribution in nats, the largest first.

    For a report that is the group's weight times what its mean loss is above the overall one, over all weight, and for
    a comparison the group's weight times its difference, over all weight. The contributions to a mean loss add up to 0,
    those to a difference to the overall difference. They are nan where an infinite loss hides them; such groups are in
    the order of their mean loss. A group of weight 0 has no mean and comes last.
    """
    overall = result.overall
    if isinstance(result, Comparison):
        parts = [group.score.weight * group.score.difference / overall.weight for group in result.groups]
    else:
        finite = math.isfinite(overall.mean_loss)
        parts = [
            group.score.weight * (group.score.mean_loss - overall.mean_loss) / overall.weight if finite else math.nan
            for group in result.groups
        ]

    def rank(one: tuple[Any, float]) -> tuple[bool, float]:
        loss = one[0].score.mean_loss
        unknown = math.isnan(loss)
        return unknown, 0.0 if unknown else -loss if math.isnan(one[1]) else -one[1]

    return sorted(zip(result.groups, parts, strict=True), key=rank)


def numbers_of(score: Any) -> dict[str, float]:
    """The numbers of a score or of a difference by name."""
    return dataclasses.asdict(score)


def lines(result: Report | Comparison) -> Iterator[tuple[Any, dict[str, float]]]:
    """Each group with its numbers, the worst first."""
    for group, contribution in ranked(result):
        yield group, numbers_of(group.score) | {"contribution": contribution}


def names_of(result: Report | Comparison) -> list[str]:
    """The names of all numbers; without groups nothing contributes."""
    return [*numbers_of(result.overall), *(["contribution"] if result.groups else [])]
