"""The numbers that reviewers ask for: Brier score, calibration error, AUC, slope and intercept, counts at a threshold."""

import math

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import State
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.state.count import Counter

metrics = pytest.importorskip("sklearn.metrics")


def draw(n=20_000, seed=0, slope=1.0, shift=0.0, centre=-1.0, spread=1.5):
    r = np.random.default_rng(seed)
    logits = r.normal(centre, spread, n)
    return r.random(n) < 1 / (1 + np.exp(-slope * logits - shift)), logits


def report_of(labels, logits, weights=None, keys=(), thresholds=(), cluster=None):
    counter = Counter([pa.string()] * len(keys), thresholds)
    counter.update(Batch(logits, labels, weights, list(keys), cluster))
    return counter.finish().report(by=tuple("k" for _ in keys))


def texts(values):
    return pa.array([f"n:{value}" for value in values.tolist()]).dictionary_encode()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def weights_of(kind, n):
    return None if kind == "none" else np.exp(np.random.default_rng(9).normal(size=n))


@pytest.mark.parametrize("kind", ["none", "lognormal"])
def test_the_brier_score_is_scikit_learns_and_its_parts_add_up(kind):
    labels, logits = draw(shift=0.5)
    w = weights_of(kind, len(labels))
    brier = report_of(labels, logits, w).brier
    assert brier.score == pytest.approx(metrics.brier_score_loss(labels, sigmoid(logits), sample_weight=w), rel=1e-12)
    assert brier.reliability - brier.resolution + brier.uncertainty == pytest.approx(brier.score, rel=1e-14)
    base = np.average(labels, weights=w)
    assert brier.uncertainty == pytest.approx(base * (1 - base), rel=1e-12)


@pytest.mark.parametrize("kind", ["none", "lognormal"])
def test_brier_parts_and_the_calibration_error_by_their_definition(kind):
    """In the bins of the report, from the rows."""
    labels, logits = draw(shift=0.5)
    w = weights_of(kind, len(labels))
    ones, bins = np.ones(len(labels)) if w is None else w, np.floor(np.clip(4 * logits, -65, 64))
    index = np.unique(bins, return_inverse=True)[1]
    weight, z, p = (np.bincount(index, ones * one) for one in (np.ones(len(labels)), labels, sigmoid(logits)))
    report = report_of(labels, logits, w)
    off = (z - p) / weight
    assert report.expected_calibration_error == pytest.approx((weight * abs(off)).sum() / ones.sum(), rel=1e-12)
    assert report.brier.reliability == pytest.approx((weight * off**2).sum() / ones.sum(), rel=1e-11)


def test_where_each_bin_has_one_prediction_the_parts_are_murphys():
    r = np.random.default_rng(1)
    logits = np.floor(4 * r.normal(0, 2, 3000)) / 4
    labels = r.random(3000) < sigmoid(logits - 0.5)
    brier = report_of(labels, logits).brier
    values, index = np.unique(logits, return_inverse=True)
    rows, z = np.bincount(index), np.bincount(index, labels)
    resolution = (rows * (z / rows - labels.mean()) ** 2).sum() / 3000
    assert brier.resolution == pytest.approx(resolution, rel=1e-11)
    assert brier.reliability == pytest.approx((rows * (z / rows - sigmoid(values)) ** 2).sum() / 3000, rel=1e-11)


@pytest.mark.parametrize("kind", ["none", "lognormal"])
@pytest.mark.parametrize(("centre", "spread"), [(-1, 1.5), (0, 1), (-4, 1), (0, 10), (3, 4)])
def test_the_interval_of_the_auc_holds_the_true_one_and_is_narrow(kind, centre, spread):
    labels, logits = draw(centre=centre, spread=spread)
    w = weights_of(kind, len(labels))
    low, high = report_of(labels, logits, w).auc
    assert low <= metrics.roc_auc_score(labels, logits, sample_weight=w) <= high
    assert high - low < 0.002


def test_the_auc_of_predictions_that_are_alike_or_apart():
    assert report_of(np.array([True, False]), np.array([1.0, 1.0])).auc == (0.0, 1.0)
    assert report_of(np.array([True, False]), np.array([1.0, -1.0])).auc == (1.0, 1.0)
    assert report_of(np.array([True, False]), np.array([np.inf, -np.inf])).auc == (1.0, 1.0)
    assert all(map(math.isnan, report_of(np.array([True]), np.array([1.0])).auc))


@pytest.mark.parametrize(("slope", "shift"), [(1.0, 0.0), (0.5, 1.0), (2.0, -0.5)])
def test_slope_and_intercept_are_those_of_a_logistic_regression(slope, shift):
    api = pytest.importorskip("statsmodels.api")
    labels, logits = draw(slope=slope, shift=shift)
    fit = api.Logit(labels.astype(float), api.add_constant(logits)).fit(disp=0)
    report = report_of(labels, logits)
    for got, value, error in zip((report.intercept, report.slope), fit.params, fit.bse, strict=True):
        assert abs(got.value - value) < 0.002 * error  # what the documentation promises
        assert got.standard_error == pytest.approx(error, rel=1e-4)


def test_the_slope_of_calibrated_predictions_is_1_within_its_error_however_rows_weigh():
    found = []
    for seed in range(200):
        labels, logits = draw(1000, seed)
        w = np.exp(np.random.default_rng(seed).normal(size=1000))
        slope = report_of(labels, logits, w).slope
        found.append((slope.value - 1) / slope.standard_error)
    assert np.mean(np.abs(found) > 1.96) < 0.05 + 3.4 * math.sqrt(0.05 * 0.95 / 200)
    assert 0.8 < np.std(found) < 1.25


def test_where_the_classes_are_apart_there_is_no_slope():
    report = report_of(np.array([True, False] * 5), np.array([1.0, -1.0] * 5))
    assert math.isnan(report.slope.value)
    assert math.isnan(report_of(np.array([True, True]), np.array([1.0, 2.0])).intercept.value)


@pytest.mark.parametrize("kind", ["none", "lognormal"])
@pytest.mark.parametrize("threshold", [0.5, 0.3, 0.0, 1.0])
def test_counts_at_a_threshold_are_scikit_learns(kind, threshold):
    labels, logits = draw(3000)
    logits[:3] = 0, np.inf, -np.inf
    key = np.arange(3000) % 3
    w = weights_of(kind, 3000)
    report = report_of(labels, logits, w, [texts(key)], [threshold, 0.9])
    positive = logits >= (np.log(threshold / (1 - threshold)) if 0 < threshold < 1 else (2 * threshold - 1) * np.inf)
    for one, mine in [(report, key >= 0)] + [(group, key == group.key[0]) for group in report.groups]:
        got = one.confusion(threshold)
        weights = None if w is None else w[mine]
        want = metrics.confusion_matrix(labels[mine], positive[mine], sample_weight=weights, labels=[False, True])
        cells = (got.true_negatives, got.false_positives, got.false_negatives, got.true_positives)
        assert cells == pytest.approx(want.ravel().tolist(), rel=1e-12, abs=1e-9)
        if w is None:
            assert cells == tuple(want.ravel().tolist())
    with pytest.raises(ValueError, match=r"threshold 0.7 was not counted, only .*; name it in thresholds"):
        report.confusion(0.7)


def test_shares_of_losses_are_counted_from_the_losses():
    labels, logits = np.zeros(5, bool), np.array([-1.0, np.log(np.expm1(0.5)), 0.6, np.log(np.expm1(2.0)), 9.0])
    report = report_of(labels, logits)
    losses = np.log1p(np.exp(logits))
    assert report.loss_shares == {"below_0.5": np.mean(losses < 0.5), "from_2": np.mean(losses >= 2)}


def test_groups_have_what_all_rows_have_as_long_as_they_are_few():
    labels, logits = draw(30_000)
    key = np.arange(30_000) % 3
    report = report_of(labels, logits, keys=[texts(key)])
    for group in report.groups:
        mine = key == group.key[0]
        alone = report_of(labels[mine], logits[mine])
        assert group.score == alone.overall
        assert group.bins == alone.bins
        assert group.brier == alone.brier
        assert group.expected_calibration_error == alone.expected_calibration_error
        assert group.decomposition == alone.decomposition
        low, high = group.auc
        assert low <= metrics.roc_auc_score(labels[mine], logits[mine]) <= high < low + 0.02
        assert group.slope.value == pytest.approx(alone.slope.value, rel=0.01)
    many = report_of(labels, logits, keys=[texts(np.arange(30_000) % 1001)])
    assert many.groups[0].bins is None
    assert many.groups[0].brier is None
    assert many.bins == report.bins


def test_bins_of_groups_are_dropped_in_whatever_order_groups_come():
    labels, logits = draw(2002)
    parts = [slice(0, 900), slice(900, 1800), slice(1800, 2002)]
    key = np.arange(2002) % 1001
    whole = report_of(labels, logits, keys=[texts(key)])
    for order in (parts, parts[::-1]):
        state = State([pa.string()])
        for rows in order:
            counter = Counter([pa.string()])
            counter.update(Batch(logits[rows], labels[rows], None, [texts(key[rows])]))
            state.merge(counter.finish())
        assert state.report(by=("k",)) == whole


@pytest.mark.parametrize("kind", ["none", "lognormal"])
def test_a_gain_is_seldom_promised_where_there_is_none(kind):
    """Calibrated predictions: what recalibration would gain is nothing."""
    gains = []
    for seed in range(300):
        labels, logits = draw(500, seed)
        gains.append(report_of(labels, logits, weights_of(kind, 500)).decomposition.gain)
    assert np.mean(np.array(gains) > 0) < 0.05 + 3.4 * math.sqrt(0.05 * 0.95 / 300)
    labels, logits = draw(5000, shift=1.0)
    decomposition = report_of(labels, logits, weights_of(kind, 5000)).decomposition
    assert decomposition.gain == decomposition.miscalibration - decomposition.chance > 0.05


def test_clusters_widen_the_bands_of_points():
    labels, logits = draw(2000)
    cluster = texts(np.arange(2000) % 20)
    alike = report_of(np.arange(2000) % 20 < 8, logits, cluster=cluster)
    assert (alike.bins.effective_rows < alike.bins.rows / 2).all()
    assert (report_of(labels, logits).bins.effective_rows == report_of(labels, logits).bins.rows).all()
