"""Which of two models is better."""

from __future__ import annotations

import math

from logitloss.evaluate.display.findings import LEVEL
from logitloss.evaluate.display.numbers import nats, signed
from logitloss.evaluate.display.sentences.slot import count, probabilities, slot
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Comparison


@slot("compared")
def the_same_losses(found: Comparison) -> str | None:
    """No row tells the two apart."""
    return "The two models lose the same in every row" if found.overall.identical else None


@slot("compared")
def one_is_infinite(found: Comparison) -> str | None:
    """A mean loss is infinite or undefined."""
    overall = found.overall
    if math.isfinite(overall.mean_loss) and math.isfinite(overall.other_loss):
        return None
    return f"The mean losses are {nats(overall.mean_loss)} and, of the other model, {nats(overall.other_loss)}"


@slot("compared")
def the_model_is_worse(found: Comparison) -> str | None:
    """The interval of the difference lies above 0."""
    return _both("The model is worse than the other: it", found) if found.overall.interval(LEVEL)[0] > 0 else None


@slot("compared")
def the_model_is_better(found: Comparison) -> str | None:
    """The interval of the difference lies below 0."""
    return _both("The model is better than the other: it", found) if found.overall.interval(LEVEL)[1] < 0 else None


@slot("compared")
def neither_is_surely_better(found: Comparison) -> str | None:
    """The interval of the difference holds 0, or there is none."""
    low, high = found.overall.interval(LEVEL)
    return None if low > 0 or high < 0 else _both("Neither model is surely better: the first", found)


def _both(verdict: str, found: Comparison) -> str:
    mine, other = probabilities(found.overall.mean_loss, found.overall.other_loss)
    return f"{verdict} gives what happened a probability of {mine} on average (geometric mean), the other {other}"


@slot("difference")
def difference_and_interval(found: Comparison) -> str | None:
    """There is an interval."""
    overall = found.overall
    low, high = overall.interval(LEVEL)
    if math.isnan(low):
        return None
    return (
        f"{count(overall.rows, 'row')}; the mean loss is {nats(overall.mean_loss)} nats, that of the other model "
        f"{nats(overall.other_loss)}. The difference is {signed(overall.difference)}, with 95% confidence between "
        f"{signed(low)} and {signed(high)}."
    )


@slot("compared by")
def compared_by_cluster(found: Comparison) -> str | None:
    """Clusters were named."""
    if found.cluster is None:
        return None
    return (
        f"Intervals allow for rows of the same {cell(found.cluster)} to be alike: there are "
        f"{found.overall.clusters:,} of these."
    )


@slot("compared by")
def compared_by_row(found: Comparison) -> str | None:
    """No clusters were named."""
    if found.cluster is not None or math.isnan(found.overall.interval(LEVEL)[0]):
        return None
    return (
        "Intervals take the rows to be independent. Where rows share a user, a day or a document, they are too narrow: "
        "compare with --cluster."
    )
