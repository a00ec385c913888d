"""Calibration: the parts of the loss by their definition on the rows, intervals against SciPy's own."""

import math

import numpy as np
import pytest

import logitloss
from logitloss._intervals import clopper_pearson
from logitloss.evaluate import State
from logitloss.evaluate.calibration import POINT_ROWS, decompose, points, recalibrate, weighted

stats = pytest.importorskip("scipy.stats")
isotonic = pytest.importorskip("sklearn.isotonic")


def draw(n=20_000, seed=0, slope=1.0, shift=0.0):
    """Logits, and labels drawn from what they should have been."""
    r = np.random.default_rng(seed)
    logits = r.normal(-1, 1.5, n)
    return (r.random(n) < 1 / (1 + np.exp(-slope * logits - shift))).astype(float), logits


def parts_of(labels, logits, weights=None):
    state = State().update(labels, logits, weights)
    return decompose(state.compute(), state.bins()), state.compute()


def cross_entropy(labels, predicted, weights):
    """The mean loss of predicted probabilities, by the schoolbook formula, summed exactly."""
    pairs = zip(labels.tolist(), predicted.tolist(), weights.tolist(), strict=True)
    total = math.fsum(
        w * ((-z * math.log(p) if z else 0.0) + (-(1 - z) * math.log(1 - p) if z < 1 else 0.0)) for z, p, w in pairs
    )
    return total / math.fsum(weights.tolist())


def corp(labels, logits, weights):
    """The parts by their definition, from the rows: scikit-learn's isotonic regression, no bins."""
    loss = cross_entropy(labels, 1 / (1 + np.exp(-logits)), weights)
    best = isotonic.IsotonicRegression().fit(logits, labels, weights).predict(logits)
    recalibrated = cross_entropy(labels, best, weights)
    base = cross_entropy(labels, np.full_like(labels, np.average(labels, weights=weights)), weights)
    return loss - recalibrated, base - recalibrated, base


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("soft", [False, True])
def test_one_logit_for_each_bin_gives_the_parts_of_the_rows_themselves(weigh, soft):
    r = np.random.default_rng(1)
    logits = np.floor(4 * r.normal(0, 2, 3000)) / 4 + 0.125
    labels = r.random(3000) if soft else (r.random(3000) < 1 / (1 + np.exp(0.5 - 0.7 * logits))).astype(float)
    weights = r.random(3000) if weigh else None
    parts, _ = parts_of(labels, logits, weights)
    want = corp(labels, logits, np.ones(3000) if weights is None else weights)
    got = parts.miscalibration, parts.discrimination, parts.uncertainty
    assert got == pytest.approx(want, rel=1e-11)
    assert parts.within_bins == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("slope", [0.5, 1.0, 2.0, -1.0])
@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_parts_add_up_and_are_close_to_those_without_bins(slope, shift):
    labels, logits = draw(slope=slope, shift=shift)
    parts, score = parts_of(labels, logits)
    total = parts.miscalibration - parts.discrimination + parts.uncertainty
    assert total == pytest.approx(score.mean_loss, rel=1e-14)
    assert parts.uncertainty == score.base_loss
    assert parts.miscalibration >= 0
    want = corp(labels, logits, np.ones(len(labels)))
    # The regression on rows is free to fit more noise: it sees more miscalibration and as much more discrimination.
    assert 0 <= want[0] - parts.miscalibration < 0.004
    assert want[0] - parts.miscalibration == pytest.approx(want[1] - parts.discrimination, rel=1e-9)


def test_calibrated_predictions_have_next_to_no_miscalibration_and_others_what_a_shift_costs():
    calibrated, _ = parts_of(*draw(200_000))
    assert 0 <= calibrated.miscalibration < 2e-4
    shifted, _ = parts_of(*draw(200_000, shift=1.0))
    labels, logits = draw(200_000, shift=1.0)
    saved = np.mean(
        logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        - logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits + 1)
    )
    assert shifted.miscalibration == pytest.approx(saved, rel=0.01)


@pytest.mark.parametrize("n", [30, 1000, 30_000])
def test_what_chance_does_is_what_calibrated_predictions_show(n):
    shown = [parts_of(*draw(n, seed))[0] for seed in range(100)]
    found = np.array([parts.miscalibration for parts in shown])
    error = found.std() / 10 + np.std([parts.chance for parts in shown]) / 10
    assert abs(found.mean() - np.mean([parts.chance for parts in shown])) < 4 * error
    assert n < 1000 or parts_of(*draw(n, 0, shift=1.0))[0].miscalibration > 10 * shown[0].chance
    assert shown[0].chance == parts_of(*draw(n, 0))[0].chance


def test_weights_that_are_all_the_same_change_nothing():
    labels, logits = draw(500)
    without, _ = parts_of(labels, logits)
    weighed, _ = parts_of(labels, logits, np.full(500, 4.0))
    assert vars(weighed) == pytest.approx(vars(without), rel=1e-12)


def test_what_is_gained_within_bins_is_discrimination():
    """Logits that differ within one bin alone: the ranking is worth something, and nothing is to be recalibrated."""
    logits = np.linspace(0.001, 0.249, 100)
    labels = 1 / (1 + np.exp(-logits))  # soft labels that are just what is predicted
    parts, score = parts_of(labels, logits)
    assert parts.miscalibration == pytest.approx(0, abs=1e-15)
    assert parts.discrimination == pytest.approx(parts.within_bins, rel=1e-9)
    assert parts.within_bins == pytest.approx(score.base_loss - score.mean_loss, rel=1e-9)


def test_a_constant_has_the_miscalibration_of_its_distance_from_the_mean_label():
    labels = np.array([1.0, 0, 0, 0])
    parts, _ = parts_of(labels, np.zeros(4))
    entropy = -0.25 * math.log(0.25) - 0.75 * math.log(0.75)
    assert parts.uncertainty == pytest.approx(entropy, rel=1e-15)
    assert parts.discrimination == pytest.approx(0, abs=1e-15)
    assert parts.miscalibration == pytest.approx(math.log(2) - entropy, rel=1e-14)


@pytest.mark.parametrize("wrong", [-np.inf, -800.0, -40.0, -16.5])
@pytest.mark.parametrize("sign", [1, -1])
def test_confident_errors_beyond_the_bins_are_miscalibration(wrong, sign):
    labels, logits = np.array([1.0, 0, 1, 0]), sign * np.array([wrong, -1, 2, 0.5])
    parts, score = parts_of(labels if sign == 1 else 1 - labels, logits)
    assert parts.miscalibration - parts.discrimination + parts.uncertainty == pytest.approx(score.mean_loss, rel=1e-14)
    assert parts.miscalibration > 3
    assert (parts.miscalibration == math.inf) == (wrong == -np.inf)
    assert math.isfinite(parts.discrimination)
    assert 0 <= parts.discrimination <= parts.uncertainty + 0.001
    assert abs(parts.within_bins) < 1e-15  # no two rows share a bin


def test_labels_that_are_all_the_same():
    parts, score = parts_of(np.ones(3), np.array([0.1, 1.0, 2.0]))
    assert (parts.uncertainty, parts.miscalibration) == (0, pytest.approx(score.mean_loss, rel=0.01))
    assert parts.miscalibration - parts.discrimination == pytest.approx(score.mean_loss, rel=1e-14)


def test_bins_that_weigh_nothing_are_left_out():
    labels, logits, weights = np.array([1.0, 0, 1]), np.array([-1.0, 0.1, 2]), np.array([1.0, 0.0, 2.0])
    state = State().update(labels, logits, weights)
    assert len(weighted(state.bins()).rows) == 2
    with_zero = decompose(state.compute(), state.bins())
    without, _ = parts_of(labels[weights > 0], logits[weights > 0], weights[weights > 0])
    assert with_zero == without
    assert len(recalibrate(weighted(state.bins()))) == 2


@pytest.mark.parametrize("rows", [1, 2, 7, 100, 12_345])
def test_the_interval_is_scipys(rows):
    hits = np.unique(np.array([0, 1, rows // 3, rows - 1, rows]))
    low, high = clopper_pearson(hits / rows, np.full(len(hits), rows))
    for k, a, b in zip(hits.tolist(), low, high, strict=True):
        want = stats.binomtest(k, rows).proportion_ci(method="exact")
        assert (a, b) == pytest.approx((want.low, want.high), rel=1e-9)
    assert low[0] == 0
    assert high[-1] == 1


def test_points_hold_all_rows_in_order_each_with_enough_of_them():
    labels, logits = draw(50_000)
    bins = State().update(labels, logits).bins()
    drawn = points(bins)
    assert drawn.rows.sum() == 50_000
    assert (drawn.rows >= POINT_ROWS).all()
    assert (np.diff(drawn.predicted) > 0).all()
    assert np.average(drawn.observed, weights=drawn.rows) == pytest.approx(labels.mean(), rel=1e-12)
    assert ((drawn.low < drawn.observed) & (drawn.observed < drawn.high)).all()
    assert 10 < len(drawn.rows) < len(bins.rows)  # the sparse ends were put together, the middle was not


@pytest.mark.parametrize("n", [1, 3, 30])
def test_few_rows_have_points_too(n):
    labels, logits = draw(n)
    drawn = points(State().update(labels, logits).bins())
    assert drawn.rows.sum() == n
    assert np.isfinite(drawn.observed).all()


def test_the_interval_of_calibrated_predictions_covers_at_least_95_of_100():
    inside = []
    for seed in range(40):
        drawn = points(State().update(*draw(20_000, seed)).bins())
        inside += ((drawn.low <= drawn.predicted) & (drawn.predicted <= drawn.high)).tolist()
    assert 0.94 < np.mean(inside) < 0.99
