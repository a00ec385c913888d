"""What a comparison says is sure: verdicts at their bounds, Holm's correction, how many more rows would decide."""

import math

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import State
from logitloss.evaluate.compare import compare, count
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.intervals import holm
from logitloss.evaluate.results import Comparison, Difference, GroupDifference
from logitloss.evaluate.state.compute import differences

stats = pytest.importorskip("scipy.stats")


def difference(value, error=0.01, rows=101, **more):
    return Difference(rows, float(rows), 0.5 + value, 0.5, value, error, dof=rows - 1.0, **more)


def test_the_interval_is_students():
    low, high = difference(0.02).interval(0.9)
    assert (low, high) == pytest.approx(stats.t.interval(0.9, 100, 0.02, 0.01), rel=1e-12)
    wide = difference(0.02, correction=2.0).interval(0.9)
    assert wide == pytest.approx((0.02 - 2 * (high - 0.02), 0.02 + 2 * (high - 0.02)), rel=1e-12)


@pytest.mark.parametrize("margin", [0.0, 0.03])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_a_verdict_is_given_where_a_one_sided_bound_lies_beyond_the_margin(margin, level):
    half = stats.t(100).ppf(level) * 0.01
    assert difference(margin - half * 1.001).verdict(margin, level) == "no worse"
    assert difference(margin - half * 0.999).verdict(margin, level) == "inconclusive"
    assert difference(margin + half * 0.999).verdict(margin, level) == "inconclusive"
    assert difference(margin + half * 1.001).verdict(margin, level) == "worse"
    with pytest.raises(ValueError, match=r"level must be between 0 and 1, got 95. 0.95 is usual."):
        difference(0.0).verdict(0.0, 95)


def test_losses_that_are_the_same_in_every_row_are_no_worse():
    table = pa.table({"z": [0, 1], "x": [0.5, 1.5], "y": [0.5, 1.5]})
    got = compare(table, logits="x", labels="z", other_logits="y")
    assert got.overall.identical
    assert got.verdict(0.0) == "no worse"
    assert got.overall.verdict(-0.1) == "worse"


@pytest.mark.parametrize(
    ("x", "y", "want"),
    [
        ([1.0], [1.1], "inconclusive"),  # one row
        ([1.0, 1.0], [1.5, 1.5], "inconclusive"),  # the same difference twice
        ([math.inf, 1.0], [1.0, 1.0], "worse"),
        ([1.0, 1.0], [math.inf, 1.0], "inconclusive"),
        ([math.inf, 1.0], [math.inf, 1.0], "inconclusive"),
    ],
)
def test_without_a_standard_error_nothing_passes(x, y, want):
    table = pa.table({"z": [0] * len(x), "x": x, "y": y})
    got = compare(table, logits="x", labels="z", other_logits="y").overall
    assert got.verdict(0.0) == want
    assert got.verdict(10.0) != "no worse"


def test_clusters_of_the_same_difference_are_no_proof():
    state = State()
    cluster = pa.array(["n:1", "n:2", "n:3"] * 2).dictionary_encode()
    count(state, Batch(np.full(6, 1.0), np.zeros(6), cluster=cluster), np.full(6, 1.1))
    overall, _ = differences(state)
    assert overall.clusters == 3
    assert overall.standard_error == 0
    assert overall.verdict(0.0) == "inconclusive"


def test_holms_correction_is_statsmodels():
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    chances = np.random.default_rng(0).random(20) ** 3
    assert holm(chances.tolist()) == pytest.approx(multitest.multipletests(chances, method="holm")[1].tolist())
    assert holm([]) == []


def test_the_groups_verdicts_are_corrected_for_their_number():
    at = stats.t(100).ppf(0.97) * 0.01  # one of them alone would be sure, at 95 %
    groups = tuple(GroupDifference((i,), difference(value)) for i, value in enumerate([at, -at, 1.0, -1.0]))
    got = Comparison(difference(0.0), ("k",), groups, (), ())
    assert [group.score.verdict(0.0) for group in groups] == ["worse", "no worse", "worse", "no worse"]
    assert got.group_verdicts(0.0) == ("inconclusive", "inconclusive", "worse", "no worse")
    assert Comparison(difference(0.0), (), (), (), ()).group_verdicts(0.0) == ()


def test_so_many_more_rows_would_decide():
    got = difference(0.005)
    more = got.further(0.0)
    half = stats.t(100).ppf(0.95) * 0.01
    assert half * math.sqrt(101 / (101 + more)) == pytest.approx(0.005, rel=0.01)
    assert difference(1.0).further(0.0) == 0
    assert difference(0.0).further(0.0) is None
    assert difference(0.1, math.nan).further(0.0) is None
    assert difference(0.005, clusters=11).further(0.0) == pytest.approx(more * 11 / 101, abs=1)


def test_families_of_verdicts_are_wrong_as_seldom_as_they_promise():
    """20 groups of A/A draws: the chance of any "worse" at all."""
    r = np.random.default_rng(5)
    draws, groups, rows = 2000, 20, 100
    values = r.normal(0, 1, (draws, groups, rows))
    means, errors = values.mean(axis=2), values.std(axis=2, ddof=1) / math.sqrt(rows)
    wrong = 0
    for mean, error in zip(means.tolist(), errors.tolist(), strict=True):
        parts = tuple(
            GroupDifference((i,), difference(*one, rows=rows)) for i, one in enumerate(zip(mean, error, strict=True))
        )
        wrong += "worse" in Comparison(parts[0].score, ("k",), parts, (), ()).group_verdicts(0.0)
    assert wrong / draws < 0.05 + 3.4 * math.sqrt(0.05 * 0.95 / draws)
