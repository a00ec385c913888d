"""The first sentence of a page: how good the model is, in words for everybody."""

from __future__ import annotations

import math

from logitloss.evaluate.display.findings import Findings
from logitloss.evaluate.display.sentences.slot import probabilities, probability, slot


@slot("headline")
def no_weight(found: Findings) -> str | None:
    """No row weighs anything."""
    return None if found.overall.weight else "The mean loss is undefined: no row has a weight above 0"


@slot("headline")
def undefined(found: Findings) -> str | None:
    """A loss is nan."""
    if not math.isnan(found.overall.mean_loss):
        return None
    return "The mean loss is undefined: at least one row has infinite logits that leave no probabilities"


@slot("headline")
def infinite(found: Findings) -> str | None:
    """A loss is infinite."""
    if not math.isinf(found.overall.mean_loss):
        return None
    return "The mean loss is infinite: at least one row was given a probability of 0 for what happened"


@slot("headline")
def one_class(found: Findings) -> str | None:
    """There is no base rate to compare with."""
    if found.overall.base_loss or math.isnan(found.overall.mean_loss):
        return None
    return (
        f"The model gives what happened a probability of {probability(found.overall.mean_loss)} on average (geometric "
        "mean); all labels are the same"
    )


@slot("headline")
def better_than_the_base_rate(found: Findings) -> str | None:
    """The skill is positive."""
    if not found.overall.skill > 0:
        return None
    return _against_the_base_rate(found, "{}")


@slot("headline")
def no_better_than_the_base_rate(found: Findings) -> str | None:
    """The skill is 0 or negative."""
    if not found.overall.skill <= 0:
        return None
    return _against_the_base_rate(found, "{}, which is no worse")


def _against_the_base_rate(found: Findings, other: str) -> str:
    model, base = found.overall.mean_loss, found.overall.base_loss
    constant = "the base rate" if found.binary else "the frequencies of the classes"
    ours, its = probabilities(model, base)
    return (
        f"The model gives what happened a probability of {ours} on average (geometric mean); always predicting "
        f"{constant} gives {other.format(its)}"
    )
