"""How far the numbers can be relied on: intervals, clusters, rows left out, inputs that look wrong."""

from __future__ import annotations

import math

from logitloss.evaluate.display.findings import LEVEL, Findings
from logitloss.evaluate.display.numbers import nats, percent
from logitloss.evaluate.display.sentences.slot import count, is_or_are, slot
from logitloss.evaluate.display.table import cell
from logitloss.evaluate.intervals import ENOUGH_CLUSTERS


@slot("rows")
def mean_and_interval(found: Findings) -> str | None:
    """The mean loss is finite, and so is its interval."""
    overall = found.overall
    low, high = overall.interval(LEVEL)
    if not math.isfinite(overall.mean_loss) or not math.isfinite(low):
        return None
    return (
        f"{count(overall.rows, 'row')}, mean loss {nats(overall.mean_loss)} nats, with 95% confidence between "
        f"{nats(max(0.0, low))} and {nats(high)}."
    )


@slot("rows")
def no_interval(found: Findings) -> str | None:
    """One row or cluster, or an infinite loss, says nothing of how far off the mean may be."""
    overall = found.overall
    if math.isfinite(overall.mean_loss) and math.isfinite(overall.interval(LEVEL)[0]):
        return None
    mean = f", mean loss {nats(overall.mean_loss)} nats" if math.isfinite(overall.mean_loss) else ""
    return f"{count(overall.rows, 'row')}{mean}; how far chance moves the mean cannot be told."


@slot("dependence")
def independent_rows(found: Findings) -> str | None:
    """No clusters were named, and there are intervals."""
    if found.clustered or no_interval(found):
        return None
    return (
        "Intervals take the rows to be independent. Where rows share a user, a day or a document, they are too narrow: "
        "score with --cluster."
    )


@slot("dependence")
def few_clusters(found: Findings) -> str | None:
    """There are few clusters, or a few hold most of the weight."""
    if not _few(found) or no_interval(found):
        return None
    return (
        f"Intervals allow for rows of the same {cell(found.report.cluster)} to be alike. There are only "
        f"{found.overall.clusters:,} of these, or most rows are in a few: the intervals are wide, and rough."
    )


@slot("dependence")
def clusters(found: Findings) -> str | None:
    """There are clusters enough."""
    if not found.clustered or _few(found) or no_interval(found):
        return None
    return (
        f"Intervals allow for rows of the same {cell(found.report.cluster)} to be alike: there are "
        f"{found.overall.clusters:,} of these."
    )


def _few(found: Findings) -> bool:
    return found.clustered and found.overall.effective_size < ENOUGH_CLUSTERS


@slot("skipped")
def left_out(found: Findings) -> str | None:
    """Rows were skipped."""
    reasons = {reason: rows for reason, rows in found.report.skipped.items() if rows}
    skipped = sum(reasons.values())
    if not skipped:
        return None
    share = percent(skipped / (skipped + found.overall.rows))
    why = "; ".join(f"{rows:,} {cell(reason)}" for reason, rows in reasons.items())
    return f"{count(skipped, 'row')} ({share} of all) could not be scored and {is_or_are(skipped)} left out: {why}."


@slot("extremes")
def zeros_and_ones(found: Findings) -> str | None:
    """Probabilities of exactly 0 or 1 were given."""
    certain = found.report.zeros + found.report.ones
    if not certain:
        return None
    return (
        f"{count(certain, 'given probability', 'given probabilities')} {is_or_are(certain)} exactly 0 or 1; where the "
        "label differs, the loss is infinite."
    )


@slot("probabilities")
def look_like_probabilities(found: Findings) -> str | None:
    """All of two or more rows lie between 0 and 1."""
    if found.report.between != found.overall.rows or found.overall.rows < 2:
        return None
    what = "lie between 0 and 1" if found.binary else "lie between 0 and 1 and sum to 1 in each row"
    return f"All logits {what}, as probabilities do. If they are probabilities, these scores are wrong: {_REMEDY}."


_REMEDY = "read them with --probabilities (in Python probabilities=)"
