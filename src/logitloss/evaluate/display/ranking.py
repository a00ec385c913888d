"""The groups of a report or a comparison in the order in which they are shown, each with its part in the whole."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from logitloss.evaluate.results import Comparison, Report


def ranked(result: Report | Comparison) -> list[tuple[Any, float]]:
    """The groups, each with its part in the whole, the largest first.

    For a report that is the share of the excess: the group's weight times what its mean loss is above the overall one,
    over the sum of these products where they are positive. The groups that are worse than all rows together thus share
    100 %, those that are better -100 %. It is nan where nothing exceeds, or an infinite loss hides by how much; such
    groups are in the order of their mean loss.

    For a comparison it is the contribution: the group's weight times its difference, over all weight. Contributions
    add up to the overall difference.
    """
    overall = result.overall
    if isinstance(result, Comparison):
        parts = [group.score.weight * group.score.difference / overall.weight for group in result.groups]
    else:
        parts = [group.score.weight * (group.score.mean_loss - overall.mean_loss) for group in result.groups]
        excess = math.fsum(part for part in parts if part > 0)
        parts = [part / excess if 0 < excess < math.inf else math.nan for part in parts]

    def rank(one: tuple[Any, float]) -> tuple[bool, float]:
        loss = one[0].score.mean_loss
        unknown = math.isnan(loss)  # a group of weight 0 has no mean and comes last
        return unknown, 0.0 if unknown else -loss if math.isnan(one[1]) else -one[1]

    return sorted(zip(result.groups, parts, strict=True), key=rank)


def numbers_of(score: Any) -> dict[str, float]:
    """The numbers of a score or of a difference by name."""
    return dataclasses.asdict(score)


def lines(result: Report | Comparison) -> Iterator[tuple[Any, dict[str, float]]]:
    """Each group with its numbers, the worst first."""
    part_name = _part_name(result)
    for group, part in ranked(result):
        yield group, numbers_of(group.score) | {part_name: part}


def names_of(result: Report | Comparison) -> list[str]:
    """The names of all numbers; without groups nothing has a part in the whole."""
    return [*numbers_of(result.overall), *([_part_name(result)] if result.groups else [])]


def _part_name(result: Report | Comparison) -> str:
    return "contribution" if isinstance(result, Comparison) else "excess_share"
