"""The place of a sentence in a page, and words that several sentences need."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from logitloss.evaluate.display.numbers import percent, percents
from logitloss.evaluate.display.table import cell

Sentence = Callable[[Any], str | None]

_MOST_NATS = math.log(1e6)  # beyond, a probability is less than one in a million


def slot(name: str) -> Callable[[Sentence], Sentence]:
    """Put the sentence into this slot, after those that the module has there already."""

    def put(sentence: Sentence) -> Sentence:
        sentence.slot = name  # type: ignore[attr-defined]
        return sentence

    return put


def probability(loss: float) -> str:
    """What a mean loss gives to what happened, as a geometric mean."""
    return "less than 0.0001%" if loss > _MOST_NATS else percent(math.exp(-loss))


def probabilities(loss: float, other: float) -> tuple[str, str]:
    """The same of two mean losses, with as many digits as tell them apart."""
    if max(loss, other) > _MOST_NATS:
        return probability(loss), probability(other)
    return percents(math.exp(-loss), math.exp(-other))


def group_name(result: Any, group: Any) -> str:
    """The group by the names of its keys, as in "carrier AA, origin JFK"."""
    return ", ".join(f"{cell(by)} {cell(value)}" for by, value in zip(result.by, group.key, strict=True))


def count(number: int, one: str, many: str | None = None) -> str:
    """So many of these."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def is_or_are(number: int) -> str:
    """The verb for so many."""
    return "is" if number == 1 else "are"
