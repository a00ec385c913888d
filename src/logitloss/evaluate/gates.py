"""Gates: what must hold for a command to end with 0, and the sentences that say why it does not."""

from __future__ import annotations

from collections.abc import Iterator

from logitloss.evaluate.display.table import cell
from logitloss.evaluate.results import Comparison, Difference, Score


def max_loss(overall: Score | Difference, limit: float) -> Iterator[str]:
    """That the mean loss is more than the limit, or undefined."""
    if not overall.mean_loss <= limit:
        yield f"the mean loss is {overall.mean_loss!r}, more than {limit!r}"


def no_worse(comparison: Comparison, margin: float, level: float, *, per_group: bool) -> Iterator[str]:
    """That the model is not surely worse by `margin` nats at most: for all rows and, with `per_group`, for a group.

    Each group is told by Holm's correction, so that the chance of a false word about any of them is that of one.
    """
    yield from _unless_no_worse("", comparison.overall, comparison.verdict(margin, level), margin, level)
    if per_group:
        for group, verdict in zip(comparison.groups, comparison.group_verdicts(margin, level), strict=True):
            named = zip(comparison.by, group.key, strict=True)
            name = ", ".join(f"{cell(by)} {cell(value)}" for by, value in named)
            yield from _unless_no_worse(f"{name}: ", group.score, verdict, margin, level)


def _unless_no_worse(name: str, found: Difference, verdict: str, margin: float, level: float) -> Iterator[str]:
    if verdict == "no worse":
        return
    side = "above" if found.difference > 0 else "below"
    said = f"the mean loss is {abs(found.difference):.4g} nats {side} the other's (standard error "
    said += f"{found.standard_error:.2g})"
    beyond = f"be more than {margin:g} above it (confidence {level:g})"
    if verdict == "worse":
        yield f"{name}worse: {said} and must {beyond}"
        return
    kind = "rows" if found.clusters is None else "clusters"
    further = found.further(margin, level)
    more = f"more {kind} like these would not decide" if not further else f"about {further:,} more {kind} would decide"
    yield f"{name}inconclusive: {said} but may {beyond}; {more}"
