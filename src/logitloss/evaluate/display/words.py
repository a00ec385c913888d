"""The terms of a page, for those who have not met them before; only those that it uses."""

from __future__ import annotations

from collections.abc import Iterator

from logitloss.evaluate.calibration import DRAWS
from logitloss.evaluate.display.findings import Findings


def words(found: Findings) -> Iterator[tuple[str, str]]:
    """Each term and its meaning."""
    yield "loss", "Minus the logarithm of the probability that was given to what happened, in nats. Less is better."
    if found.binary:
        yield "base rate", "Always predicting the mean label of the rows at hand; no other constant loses less."
    else:
        yield "base rate", "Always predicting how frequent each class is among the rows at hand."
    yield "skill", "1 − mean loss ÷ base-rate loss: 1 is perfect, 0 as good as the base rate of the same rows."
    if found.groups:
        yield (
            "contribution",
            "The group’s share of all rows, or of their weight, times what its mean loss is above that of all rows. A "
            "group can lose much because it is hard: compare its base-rate loss and its skill.",
        )
    if found.groups and found.binary:
        yield (
            "predictions are",
            "Too low or too high where the 95% interval of the group’s mean label minus its mean prediction leaves out "
            "0. Within chance where it does not, be they right or the rows too few to say.",
        )
    if found.parts:
        yield (
            "miscalibration, discrimination",
            "Found by isotonic regression on bins of a quarter of a logit (CORP). Differences between the predictions "
            f"within a bin count as discrimination. What perfectly calibrated predictions show is seen in {DRAWS} "
            "draws of labels from the predictions themselves.",
        )
        yield (
            "reliability, resolution",
            "The parts of the Brier score, the mean squared difference of label and prediction: what miscalibration "
            "costs and what the differences between predictions gain, on the same bins.",
        )
        yield (
            "calibration slope, intercept",
            "Of the logistic regression of the labels on the logits: 1 and 0 if calibrated; a slope below 1 says that "
            "the predictions are too extreme.",
        )
