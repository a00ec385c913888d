"""Where the model fails: in which groups, in which rows."""

from __future__ import annotations

import math

from logitloss.evaluate.display.findings import ENOUGH_ROWS, TOO_HIGH, TOO_LOW, UNKNOWN, Findings
from logitloss.evaluate.display.numbers import error, nats, percent
from logitloss.evaluate.display.sentences.slot import count, group_name, slot


@slot("groups")
def groups_with_an_infinite_loss(found: Findings) -> str | None:
    """The loss of some groups is infinite."""
    bad = [group for group in found.groups if math.isinf(group.score.mean_loss)]
    if not bad or len(found.groups) < 2:
        return None
    more = f" and {len(bad) - 3:,} more" if len(bad) > 3 else ""
    names = "; ".join(group_name(found.report, group) for group in bad[:3])
    return f"The mean loss is infinite in {len(bad):,} of {len(found.groups):,} groups: {names}{more}."


@slot("groups")
def the_group_that_adds_most(found: Findings) -> str | None:
    """Some groups surely add to the mean loss; the first of them adds most."""
    if len(found.groups) < 2 or not found.surely_worse:
        return None
    group, some = found.surely_worse[0], len(found.surely_worse)
    name, error_of = group_name(found.report, group), error(group.contribution.standard_error)
    base = f"; its base-rate loss is {nats(group.score.base_loss)}" if group.score.base_loss else ""
    return (
        f"{count(some, 'group')} of {len(found.groups):,} surely {'adds' if some == 1 else 'add'} to the mean loss "
        f"(95%, with Holm's correction), most of all {name}: {error(group.contribution.value)} nats, with a standard "
        f"error of {error_of}. Its own mean loss is "
        f"{nats(group.score.mean_loss)}{base}."
    )


@slot("groups")
def no_group_adds_surely(found: Findings) -> str | None:
    """No contribution is above 0 by more than chance explains."""
    if len(found.groups) < 2 or found.surely_worse or not math.isfinite(found.overall.mean_loss):
        return None
    return (
        f"No group surely adds to the mean loss: of {len(found.groups):,}, none of {ENOUGH_ROWS} rows or more loses "
        "more than all rows do by more than chance explains (95%, with Holm's correction)."
    )


@slot("groups off")
def groups_off(found: Findings) -> str | None:
    """In how many groups the predictions are wrong on average."""
    if len(found.groups) != len(found.verdicts) or len(found.groups) < 2 or set(found.verdicts) == {UNKNOWN}:
        return None
    off = sum(verdict in (TOO_LOW, TOO_HIGH) for verdict in found.verdicts)
    return (
        f"The predictions are too low or too high on average in {off or 'none'} of {len(found.groups):,} groups; were "
        "all of them right, chance would make that appear in about one group of twenty at most."
    )


@slot("losses")
def shares_of_losses(found: Findings) -> str | None:
    """Counted from the losses themselves."""
    if not len(found.report.losses.rows):
        return None
    few, many = (percent(share) for share in found.report.loss_shares.values())
    return f"{few} of the rows lose less than 0.5 nats, {many} lose 2 or more."
