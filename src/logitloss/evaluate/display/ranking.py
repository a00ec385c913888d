"""The groups of a report or a comparison in the order in which they are shown, and their numbers by name."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

from logitloss.evaluate.results import Comparison, Report

Numbers = dict[str, float | int | None]


def ranked(result: Report | Comparison) -> list[Any]:
    """The groups, the largest contribution to the mean loss, or to the difference, first.

    Where an infinite loss hides the contributions they are in the order of their mean loss. A group of weight 0 has no
    mean and comes last.
    """

    def rank(group: Any) -> tuple[bool, float]:
        loss, contribution = group.score.mean_loss, group.contribution.value
        unknown = math.isnan(loss)
        return unknown, 0.0 if unknown else -loss if math.isnan(contribution) else -contribution

    return sorted(result.groups, key=rank)


def numbers_of_all(result: Report | Comparison, *, of_bins: bool) -> Numbers:
    """The numbers of all rows by name, with `of_bins` also those that are computed from bins."""
    return dataclasses.asdict(result.overall) | (_of_bins(result) if of_bins else {})


def lines(result: Report | Comparison, *, of_bins: bool) -> Iterator[tuple[Any, Numbers]]:
    """Each group with its numbers, the worst first."""
    for group in ranked(result):
        numbers = dataclasses.asdict(group.score) | (_of_bins(group) if of_bins else {})
        contribution = {"contribution": group.contribution.value}
        yield group, numbers | contribution | {"contribution_standard_error": group.contribution.standard_error}


def _of_bins(of: Any) -> Numbers:
    """What takes a while to compute; nothing for comparisons, classes and very many groups, which have no bins."""
    if getattr(of, "bins", None) is None or not len(of.bins.rows):
        return {}
    brier, (low, high) = of.brier, of.auc
    numbers = {f"brier_{name}": getattr(brier, name) for name in ("reliability", "resolution", "uncertainty")}
    numbers |= {"expected_calibration_error": of.expected_calibration_error, "auc_low": low, "auc_high": high}
    for name in ("slope", "intercept"):
        estimate = getattr(of, name)
        numbers |= {name: estimate.value, f"{name}_standard_error": estimate.standard_error}
    for counts in of.confusions:
        named = dataclasses.asdict(counts)
        threshold = named.pop("threshold")
        numbers |= {f"{name}_at_{threshold:g}": count for name, count in named.items()}
    return numbers


def names_of(result: Report | Comparison, *, of_bins: bool) -> list[str]:
    """The names of all numbers, those of the groups after those that all rows have too."""
    groups = ["contribution", "contribution_standard_error"] if result.groups else []
    return [*numbers_of_all(result, of_bins=of_bins), *groups]
