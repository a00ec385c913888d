"""Standard errors, intervals and verdicts: against statsmodels, by their definitions, and by how often they are wrong.

A simulation is one state: each of its draws is a group.
"""

import math

import numpy as np
import pyarrow as pa
import pytest

import logitloss
from logitloss.evaluate import State, intervals
from logitloss.evaluate.compare import count
from logitloss.evaluate.input.batch import Batch
from logitloss.evaluate.state.compute import differences
from logitloss.evaluate.state.count import Counter

DRAWS = 2000
# A rate of 5 % seen in 2,000 draws lies below this but for one time in 3,000.
MOST = 0.05 + 3.4 * math.sqrt(0.05 * 0.95 / DRAWS)


def texts(values):
    return pa.array([f"n:{value}" for value in np.asarray(values).tolist()]).dictionary_encode()


def draws(values):
    """The numbers of draws as keys, or those of clusters: fast, for millions of rows."""
    index = np.asarray(values).astype(np.int32)
    return pa.DictionaryArray.from_arrays(index, pa.array([f"n:{i}" for i in range(index.max() + 1)]))


def report_of(labels, logits, weights=None, cluster=None, keys=()):
    counter = Counter([pa.string()] * len(keys))
    counter.update(Batch(logits, labels, weights, list(keys), cluster))
    return counter.finish().report(by=tuple(f"k{i}" for i in range(len(keys))))


def comparison_of(labels, logits, others, weights=None, cluster=None, keys=()):
    state = State([pa.string()] * len(keys))
    count(state, Batch(logits, labels, weights, list(keys), cluster), others)
    return differences(state)


def data(n=600, seed=0):
    r = np.random.default_rng(seed)
    logits = r.normal(-1, 2, n)
    labels = r.random(n) < 1 / (1 + np.exp(-logits))
    cluster = np.minimum(r.geometric(0.05, n), 40)
    return labels, logits, np.exp(r.normal(size=n)), cluster, r.integers(0, 3, n)


def losses(labels, logits):
    return logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)


def statsmodels_error(values, weights, cluster):
    api = pytest.importorskip("statsmodels.api")
    with np.errstate(all="ignore"):
        fit = api.WLS(values, np.ones(len(values)), weights=weights).fit(
            cov_type="cluster", cov_kwds={"groups": cluster, "use_correction": True}
        )
    # Its correction is G / (G - 1) (n - 1) / (n - k), which for a constant alone is G / (G - 1).
    return float(fit.bse[0])


@pytest.mark.parametrize("weigh", [False, True])
def test_clustered_errors_are_those_of_statsmodels(weigh):
    labels, logits, weights, cluster, key = data()
    w = weights if weigh else None
    report = report_of(labels, logits, w, texts(cluster), [texts(key)])
    ones = weights if weigh else np.ones(len(labels))
    p = 1 / (1 + np.exp(-logits))
    loss = losses(labels, logits)
    scores = [(report.overall, np.full(len(key), True))]
    scores += [(group.score, key == group.key[0]) for group in report.groups]
    for score, mine in scores:
        want = statsmodels_error(loss[mine], ones[mine], cluster[mine])
        assert score.standard_error == pytest.approx(want, rel=1e-11, abs=0)
        want = statsmodels_error((labels - p)[mine], ones[mine], cluster[mine])
        assert score.calibration_standard_error == pytest.approx(want, rel=1e-11, abs=0)
        assert score.clusters == len(np.unique(cluster[mine]))
    others = logits + np.random.default_rng(1).normal(size=len(logits))
    overall, groups = comparison_of(labels, logits, others, w, texts(cluster), [texts(key)])
    difference = loss - losses(labels, others)
    assert overall.standard_error == pytest.approx(statsmodels_error(difference, ones, cluster), rel=1e-11, abs=0)
    for group in groups:
        mine = key == group.key[0]
        want = statsmodels_error(difference[mine], ones[mine], cluster[mine])
        assert group.score.standard_error == pytest.approx(want, rel=1e-11, abs=0)


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("clustered", [False, True])
def test_contributions_are_in_nats_with_the_error_of_a_mean(weigh, clustered):
    labels, logits, weights, cluster, key = data()
    c = texts(cluster) if clustered else None
    w = weights if weigh else np.ones(len(labels))
    report = report_of(labels, logits, weights if weigh else None, c, [texts(key)])
    others = logits + np.random.default_rng(1).normal(size=len(logits))
    _, groups = comparison_of(labels, logits, others, weights if weigh else None, c, [texts(key)])
    loss, total = losses(labels, logits), w.sum()
    mean, difference = (w * loss).sum() / total, loss - losses(labels, others)

    def error(rows):
        """That of a mean of these rows about it."""
        rest = w * (rows - (w * rows).sum() / total)
        if clustered:
            rest = np.bincount(np.unique(cluster, return_inverse=True)[1], rest)
        return math.sqrt((rest**2).sum() * len(rest) / (len(rest) - 1)) / total

    for group in report.groups:
        inside = key == group.key[0]
        rows = (loss - mean) * (inside - (w * inside).sum() / total)
        assert group.contribution.value == pytest.approx((w * rows).sum() / total, rel=1e-9)
        assert group.contribution.standard_error == pytest.approx(error(rows), rel=1e-9)
    assert sum(group.contribution.value for group in report.groups) == pytest.approx(0, abs=1e-15)
    for group in groups:
        rows = difference * (key == group.key[0])
        assert group.contribution.value == pytest.approx((w * rows).sum() / total, rel=1e-9)
        assert group.contribution.standard_error == pytest.approx(error(rows), rel=1e-9)


def test_a_cluster_alone_says_nothing_of_the_error():
    labels, logits, *_ = data(50)
    score = report_of(labels, logits, cluster=texts(np.zeros(50))).overall
    assert score.clusters == 1
    assert math.isnan(score.standard_error)
    assert all(math.isnan(end) for end in (*score.interval(), *score.calibration_interval()))


def test_equal_clusters_need_no_correction():
    for clusters in (2, 5, 19):
        labels, logits, *_ = data(clusters * 10)
        score = report_of(labels, logits, cluster=texts(np.arange(len(labels)) % clusters)).overall
        assert score.correction == pytest.approx(1, rel=1e-12)
        assert score.dof == pytest.approx(clusters - 1, rel=1e-9)


def test_few_clusters_by_brute_force():
    """The moments of the working model, from its covariance matrix."""
    sizes = np.array([300, 100, 50, 30, 20])
    h = sizes / sizes.sum()
    to_rest = np.eye(len(h)) - np.outer(h, np.ones(len(h)))
    covariance = to_rest @ np.diag(h**2) @ to_rest.T
    want = np.trace(covariance) ** 2 / np.trace(covariance @ covariance)
    size, dof, correction = intervals.few_clusters(np.array([5]), *(np.array([(h**k).sum()]) for k in (2, 3, 4, 5)))
    assert size[0] == pytest.approx(1 / (h**2).sum())
    assert dof[0] == pytest.approx(want)
    assert correction[0] ** 2 * 5 / 4 == pytest.approx((h**2).sum() / np.trace(covariance))


# --- how often intervals are wrong -----------------------------------------------------------------------------------

WEIGHTS = {
    "none": lambda r, n: None,
    "uniform": lambda r, n: r.random(n),
    "lognormal": lambda r, n: np.exp(r.normal(0, 1.5, n)),
    "one in ten": lambda r, n: np.where(r.random(n) < 0.1, 100.0, 1.0),
}


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize(("rows", "base"), [(20, -1.0), (300, -5.0), (500, 0.0), (500, -3.0)])
def test_calibrated_predictions_are_seldom_flagged(weights, rows, base):
    r = np.random.default_rng(rows)
    n = DRAWS * rows
    logits = r.normal(base, 1.5, n)
    labels = r.random(n) < 1 / (1 + np.exp(-logits))
    report = report_of(labels, logits, WEIGHTS[weights](r, n), keys=[draws(np.arange(n) // rows)])
    flagged = [not low <= 0 <= high for low, high in (g.score.calibration_interval() for g in report.groups)]
    assert np.mean(flagged) < MOST


def test_a_bias_is_found_as_often_as_by_the_test_on_the_sum_of_p():
    r = np.random.default_rng(0)
    rows, n = 400, DRAWS * 400
    logits = r.normal(0, 4, n)
    labels = r.random(n) < 1 / (1 + np.exp(-(logits - 0.3)))
    report = report_of(labels, logits, keys=[draws(np.arange(n) // rows)])
    flagged = [not low <= 0 <= high for low, high in (g.score.calibration_interval() for g in report.groups)]
    p = (1 / (1 + np.exp(-logits))).reshape(DRAWS, rows)
    z = (labels.reshape(DRAWS, rows) - p).sum(axis=1) / np.sqrt((p * (1 - p)).sum(axis=1))
    assert np.mean(flagged) >= np.mean(np.abs(z) > 1.96) > 0.15


CLUSTERS = {
    "40 equal": [20] * 40,
    "30 unequal": [5, 10, 20, 40, 80] * 6,
    "5 unequal": [300, 100, 50, 30, 20],
    "3": [40, 30, 30],
    "8, one large": [200, *[20] * 7],
}


def clustered(r, sizes, alike):
    """The draw and the cluster of each row, and a normal effect that rows of a cluster share."""
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    draw = np.repeat(np.arange(DRAWS), len(cluster))
    effects = r.normal(0, alike, (DRAWS, len(sizes)))[:, cluster].ravel()
    return draw, np.tile(cluster, DRAWS), effects


@pytest.mark.parametrize("sizes", CLUSTERS)
@pytest.mark.parametrize("alike", [0.0, 1.0])
def test_clusters_hold_their_rate(sizes, alike):
    """Predictions that are right on average over the clusters, and losses about their true mean."""
    r = np.random.default_rng(3)
    draw, cluster, effects = clustered(r, CLUSTERS[sizes], alike)
    logits = r.choice([-1.5, 1.5], len(draw))  # by its sign the effect of a cluster cancels in the mean over clusters
    p = np.clip(1 / (1 + np.exp(-logits)) + np.clip(0.06 * effects, -0.18, 0.18), 0, 1)
    labels = r.random(len(draw)) < p
    report = report_of(labels, logits, cluster=draws(cluster), keys=[draws(draw)])
    calibration = [not low <= 0 <= high for low, high in (g.score.calibration_interval() for g in report.groups)]
    assert np.mean(calibration) < MOST


@pytest.mark.parametrize("sizes", CLUSTERS)
@pytest.mark.parametrize("weights", ["none", "lognormal"])
@pytest.mark.parametrize("tails", ["normal", "heavy"])
def test_two_models_that_are_alike_are_seldom_told_apart(sizes, weights, tails):
    """A/A: which side a cluster's pairs of logits are on is a toss, so neither model is better. One-sided, at 5 %."""
    r = np.random.default_rng(4)
    draw, cluster, effects = clustered(r, CLUSTERS[sizes], 0.3)
    noise = r.normal(size=len(draw)) if tails == "normal" else r.standard_t(2, len(draw))
    logits = r.normal(0, 2, len(draw))
    others = logits + 0.3 * (noise + effects)
    labels = r.random(len(draw)) < 1 / (1 + np.exp(-logits))
    toss = (r.random((DRAWS, cluster.max() + 1)) < 0.5)[draw, cluster]
    logits, others = np.where(toss, others, logits), np.where(toss, logits, others)
    w = WEIGHTS[weights](r, len(draw))
    _, groups = comparison_of(labels, logits, others, w, draws(cluster), [draws(draw)])
    assert np.mean([group.score.verdict(0.0) == "worse" for group in groups]) < MOST
