"""The gates of the command line: what passes, and what is said where it does not."""

import math

import numpy as np
import pytest

from logitloss.evaluate.gates import max_loss, no_worse
from logitloss.evaluate.results import Comparison, Difference, Estimate, GroupDifference

pytest.importorskip("scipy")


def difference(mine, other=0.5, error=0.001, rows=1000, **more):
    options = {"identical": False, "clusters": None, "effective_size": rows, "dof": rows - 1, "correction": 1.0}
    return Difference(rows, float(rows), mine, other, mine - other, error, **{**options, **more})


def comparison(overall, **groups):
    one_each = [GroupDifference((key,), group, Estimate(math.nan, math.nan)) for key, group in groups.items()]
    return Comparison(overall, ("k",) if groups else (), tuple(one_each), ("a",), ("b",))


def test_the_gate_for_the_loss():
    assert list(max_loss(difference(0.5), 0.5)) == []
    above = float(np.nextafter(0.5, 1))
    assert list(max_loss(difference(above), 0.5)) == [f"the mean loss is {above!r}, more than 0.5"]
    for bad in (math.inf, math.nan):
        assert list(max_loss(difference(bad), 1.0)) == [f"the mean loss is {bad!r}, more than 1.0"]


@pytest.mark.parametrize(
    ("found", "margin", "said"),
    [
        (difference(0.5), 0.01, []),
        (difference(0.5, error=0.0, identical=True), 0.0, []),
        (difference(0.49), 0.0, []),
        (
            difference(0.75),
            0.125,
            [
                "worse: the mean loss is 0.25 nats above the other's (standard error 0.001) and must be more than 0.125 "
                "above it (confidence 0.95)"
            ],
        ),
        (
            difference(0.5, error=0.0),  # different losses of the same mean: no error, and nothing sure
            0.01,
            [
                "inconclusive: the mean loss is 0 nats below the other's (standard error 0) but may be more than 0.01 "
                "above it (confidence 0.95); more rows like these would not decide"
            ],
        ),
        (
            difference(0.501, error=0.002),
            0.002,
            [
                "inconclusive: the mean loss is 0.001 nats above the other's (standard error 0.002) but may be more "
                "than 0.002 above it (confidence 0.95); about 9,843 more rows would decide"
            ],
        ),
        (
            difference(0.498, error=0.002, clusters=30, effective_size=30.0, dof=29),
            0.001,
            [
                "inconclusive: the mean loss is 0.002 nats below the other's (standard error 0.002) but may be more "
                "than 0.001 above it (confidence 0.95); about 9 more clusters would decide"
            ],
        ),
        (
            difference(0.498, error=math.nan, clusters=1, effective_size=1.0, dof=0),
            0.001,
            [
                "inconclusive: the mean loss is 0.002 nats below the other's (standard error nan) but may be more than "
                "0.001 above it (confidence 0.95); more clusters like these would not decide"
            ],
        ),
    ],
)
def test_the_gate_for_a_comparison(found, margin, said):
    assert list(no_worse(comparison(found), margin, 0.95, per_group=False)) == said


def test_groups_are_told_by_name():
    compared = comparison(difference(0.5), a=difference(0.5), b=difference(0.75))
    assert list(no_worse(compared, 0.01, 0.95, per_group=False)) == []
    (said,) = no_worse(compared, 0.01, 0.95, per_group=True)
    assert said.startswith("k b: worse: the mean loss is 0.25 nats above the other's")


def test_groups_are_corrected_for_their_number():
    """Each alone would pass: 1.8 standard errors within the margin; with Holm's correction none of twenty does."""
    one = difference(0.5, error=0.01)
    margin = 0.018
    assert list(no_worse(comparison(one, a=one), margin, 0.95, per_group=True)) == []
    said = list(no_worse(comparison(one, **{f"g{i}": one for i in range(20)}), margin, 0.95, per_group=True))
    assert len(said) == 20
    assert all(": inconclusive: " in text for text in said)
