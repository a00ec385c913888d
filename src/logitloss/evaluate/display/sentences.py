"""Every sentence that the page says of the data, and when it may be said.

A slot of the page has one or more sentences. Each is a function that gives its text where it is true, else None; the
first that is true is said. The tests hold each of them against data for which it is right and data for which it would
be wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from logitloss.evaluate.display.findings import WITHIN, Findings
from logitloss.evaluate.display.numbers import error, nats, percent, percents
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Group

Sentence = Callable[[Findings], str | None]
SENTENCES: dict[str, list[Sentence]] = {}


def say(slot: str, findings: Findings) -> list[str]:
    """The sentence of a slot, in a list; nothing where none is true."""
    return [text for text in (sentence(findings) for sentence in SENTENCES[slot]) if text is not None][:1]


def _in(slot: str) -> Callable[[Sentence], Sentence]:
    def register(sentence: Sentence) -> Sentence:
        SENTENCES.setdefault(slot, []).append(sentence)
        return sentence

    return register


# --- how good --------------------------------------------------------------------------------------------------------


@_in("headline")
def no_weight(found: Findings) -> str | None:
    """No row weighs anything."""
    return None if found.overall.weight else "The mean loss is undefined: no row has a weight above 0"


@_in("headline")
def undefined(found: Findings) -> str | None:
    """A loss is nan."""
    if not math.isnan(found.overall.mean_loss):
        return None
    return "The mean loss is undefined: at least one row has infinite logits that leave no probabilities"


@_in("headline")
def infinite(found: Findings) -> str | None:
    """A loss is infinite."""
    if not math.isinf(found.overall.mean_loss):
        return None
    return "The mean loss is infinite: at least one row was given a probability of 0 for what happened"


@_in("headline")
def one_class(found: Findings) -> str | None:
    """There is no base rate to compare with."""
    if found.overall.base_loss or math.isnan(found.overall.mean_loss):
        return None
    return f"The model gives what happened {_probability(found.overall.mean_loss)}; all labels are the same"


@_in("headline")
def better_than_the_base_rate(found: Findings) -> str | None:
    """The skill is positive."""
    if not found.overall.skill > 0:
        return None
    return _against_the_base_rate(found, "{}")


@_in("headline")
def no_better_than_the_base_rate(found: Findings) -> str | None:
    """The skill is 0 or negative."""
    if not found.overall.skill <= 0:
        return None
    return _against_the_base_rate(found, "{}, which is no worse")


def _against_the_base_rate(found: Findings, other: str) -> str:
    model, base = found.overall.mean_loss, found.overall.base_loss
    constant = "the base rate" if found.binary else "the frequencies of the classes"
    ours, its = percents(math.exp(-model), math.exp(-base))
    if model > _MOST_NATS:
        ours = "less than 0.0001%"
    return (
        f"The model gives what happened a probability of {ours} on average (geometric mean); always predicting "
        f"{constant} gives {other.format(its)}"
    )


_MOST_NATS = math.log(1e6)  # beyond, a probability is less than one in a million


def _probability(loss: float) -> str:
    text = "less than 0.0001%" if loss > _MOST_NATS else percent(math.exp(-loss))
    return f"a probability of {text} on average (geometric mean)"


# --- how many rows ---------------------------------------------------------------------------------------------------


@_in("rows")
def rows(found: Findings) -> str | None:
    """How many rows there are, and how well they determine the mean."""
    overall = found.overall
    if not math.isfinite(overall.mean_loss):
        return f"{_count(overall.rows, 'row')}."
    if not math.isfinite(overall.standard_error):
        return f"{_count(overall.rows, 'row')}, mean loss {nats(overall.mean_loss)} nats."
    return (
        f"{_count(overall.rows, 'row')}, mean loss {nats(overall.mean_loss)} nats with a standard error of "
        f"{error(overall.standard_error)}."
    )


@_in("dependence")
def independent_rows(found: Findings) -> str | None:
    """Nothing is known of clusters, and there are standard errors."""
    if not math.isfinite(found.overall.standard_error):
        return None
    return (
        "Standard errors and intervals take the rows to be independent. Where rows share a user, a day or a document, "
        "they are too narrow."
    )


@_in("skipped")
def left_out(found: Findings) -> str | None:
    """Rows were skipped."""
    skipped = sum(found.report.skipped.values())
    if not skipped:
        return None
    share = percent(skipped / (skipped + found.overall.rows))
    verb = "is" if skipped == 1 else "are"
    return f"{_count(skipped, 'row')} ({share} of all) could not be scored and {verb} left out."


@_in("extremes")
def zeros_and_ones(found: Findings) -> str | None:
    """Probabilities of exactly 0 or 1 were given."""
    zeros, ones = found.report.zeros, found.report.ones
    if not zeros + ones:
        return None
    return (
        f"{_count(zeros + ones, 'given probability', 'given probabilities')} {_is(zeros + ones)} exactly 0 or 1; where "
        "the label differs, the loss is infinite."
    )


# --- calibration -----------------------------------------------------------------------------------------------------


@_in("calibration")
def predictions_off(found: Findings) -> str | None:
    """The mean prediction lies outside the interval of the mean label."""
    if not found.points or found.verdict == WITHIN:
        return None
    label, predicted = percents(found.overall.mean_label, found.overall.mean_probability)
    return (
        f"On average the predictions are {found.verdict}: they average {predicted}, the labels {label}, "
        "a difference larger than chance explains (95%)."
    )


@_in("calibration")
def predictions_right_on_average(found: Findings) -> str | None:
    """The mean prediction lies inside the interval of the mean label."""
    if not found.points or found.verdict != WITHIN:
        return None
    label, predicted = percents(found.overall.mean_label, found.overall.mean_probability)
    return (
        f"The predictions average {predicted}, the labels {label}: {_count(found.overall.rows, 'row')} cannot tell the "
        "two apart."
    )


@_in("curve")
def points_off_the_diagonal(found: Findings) -> str | None:
    """There are points, some of whose intervals leave the prediction out."""
    drawn = found.points
    if not drawn or len(drawn.rows) < 2:
        return None
    inside = (drawn.low <= drawn.predicted) & (drawn.predicted <= drawn.high)
    off = int(len(inside) - inside.sum())
    if not off:
        return None
    least, most = percents(drawn.predicted[0], drawn.predicted[-1])
    return (
        f"At {off} of {len(inside)} points, from predictions of {least} to {most}, the observed share differs from the "
        "prediction by more than chance explains (95% each)."
    )


@_in("curve")
def all_points_on_the_diagonal(found: Findings) -> str | None:
    """There are points, and the interval of each holds the prediction."""
    drawn = found.points
    if not drawn or len(drawn.rows) < 2 or points_off_the_diagonal(found):
        return None
    least, most = percents(drawn.predicted[0], drawn.predicted[-1])
    return (
        f"At each of {len(drawn.rows)} points, from predictions of {least} to {most}, the observed share agrees with "
        "the prediction within its 95% interval."
    )


@_in("recalibration")
def infinite_miscalibration(found: Findings) -> str | None:
    """Predictions of 0 or 1 were wrong, which no finite gain describes."""
    if not found.parts or not math.isinf(found.parts.miscalibration):
        return None
    return "What recalibration could gain has no bound: at least one prediction of 0 or 1 was wrong."


@_in("recalibration")
def nothing_to_gain(found: Findings) -> str | None:
    """The miscalibration is no more than chance shows."""
    parts = found.parts
    if not parts or not parts.miscalibration <= parts.chance:
        return None
    return (
        f"Recalibration has nothing to gain beyond chance: the miscalibration is {error(parts.miscalibration)} nats, "
        f"that of perfectly calibrated predictions {error(parts.chance)} on average."
    )


@_in("recalibration")
def something_to_gain(found: Findings) -> str | None:
    """The miscalibration is above what chance shows."""
    parts = found.parts
    if not parts or not parts.chance < parts.miscalibration < math.inf:
        return None
    return (
        f"Recalibration could gain about {error(parts.miscalibration - parts.chance)} of "
        f"{nats(found.overall.mean_loss)} nats: the miscalibration is {error(parts.miscalibration)}, that of perfectly "
        f"calibrated predictions {error(parts.chance)} on average."
    )


# --- groups ----------------------------------------------------------------------------------------------------------


@_in("groups")
def the_group_that_adds_most(found: Findings) -> str | None:
    """A group adds to the mean loss more than all others do."""
    if len(found.groups) < 2 or not found.groups[0][1] > 0:
        return None
    group, contribution = found.groups[0]
    base = f"; its base-rate loss is {nats(group.score.base_loss)}" if group.score.base_loss else ""
    return (
        f"Of the groups, {_name(found, group)} adds most to the mean loss, {error(contribution)} nats: its own is "
        f"{nats(group.score.mean_loss)}{base}."
    )


@_in("groups")
def groups_with_an_infinite_loss(found: Findings) -> str | None:
    """The loss of some groups is infinite."""
    bad = [group for group, _ in found.groups if math.isinf(group.score.mean_loss)]
    if not bad or len(found.groups) < 2:
        return None
    more = f" and {len(bad) - 3:,} more" if len(bad) > 3 else ""
    names = "; ".join(_name(found, group) for group in bad[:3])
    return f"The mean loss is infinite in {_count(len(bad), 'group')} of {len(found.groups):,}: {names}{more}."


@_in("groups off")
def groups_off(found: Findings) -> str | None:
    """In how many groups the predictions are wrong on average."""
    if not found.binary or len(found.groups) < 2:
        return None
    off = sum(verdict != WITHIN for verdict in found.verdicts)
    return (
        f"The mean prediction lies outside the 95% interval of the mean label in {off or 'none'} of "
        f"{len(found.groups):,} groups; were all predictions right, it would in at most one of twenty by chance."
    )


# --- losses ----------------------------------------------------------------------------------------------------------


@_in("losses")
def half_and_worst(found: Findings) -> str | None:
    """From the histogram of the losses."""
    losses = found.report.losses
    if not len(losses.rows):
        return None
    share = losses.rows / losses.rows.sum()
    half = losses.upper[np.searchsorted(np.cumsum(share), 0.5)]
    most = losses.lower[len(share) - 1 - np.searchsorted(np.cumsum(share[::-1]), 0.01)]
    return f"At least half of the rows lose less than {half:.3g} nats, the worst hundredth {most:.3g} or more."


def _name(found: Findings, group: Group) -> str:
    return ", ".join(f"{cell(by)} {cell(value)}" for by, value in zip(found.report.by, group.key, strict=True))


def _count(count: int, one: str, many: str | None = None) -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _is(count: int) -> str:
    return "is" if count == 1 else "are"
