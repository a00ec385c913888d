"""The reliability diagram of logits, beside scikit-learn's own of probabilities."""

import math
import re

import numpy as np
import pytest

pytest.importorskip("sklearn")
from sklearn.calibration import CalibrationDisplay
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from logitloss.sklearn import ReliabilityDisplay

from ..processes import imported_by
from .support import DATA

inf, nan = math.inf, math.nan


@pytest.fixture
def ax():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    yield pyplot.subplots()[1]
    pyplot.close("all")


@pytest.fixture(scope="module")
def predictions():
    rng = np.random.default_rng(0)
    y_logit = rng.normal(size=2000) * 3
    return (rng.random(2000) < 1 / (1 + np.exp(-y_logit / 2))).astype(int), y_logit


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_display(ax, predictions, strategy):
    stats = pytest.importorskip("scipy.stats")
    y_true, y_logit = predictions
    options = {"n_bins": 10, "strategy": strategy, "ax": ax, "name": "overconfident"}
    got = ReliabilityDisplay.from_predictions(y_true, y_logit, **options)
    want = CalibrationDisplay.from_predictions(y_true, 1 / (1 + np.exp(-y_logit)), **options)
    np.testing.assert_allclose(got.prob_true, want.prob_true, rtol=1e-12)
    np.testing.assert_allclose(got.prob_pred, want.prob_pred, rtol=1e-12)
    assert got.counts.sum() == 2000
    assert got.counts @ got.prob_true == pytest.approx(y_true.sum(), rel=1e-12)
    assert got.counts @ got.prob_pred == pytest.approx(got.y_prob.sum(), rel=1e-12)
    for share, n, interval in zip(got.prob_true, got.counts, got.interval.T, strict=True):
        want = stats.binomtest(round(share * n), n).proportion_ci(0.95, method="exact")
        np.testing.assert_allclose(interval, want, rtol=1e-9, atol=1e-15)
    assert got.ax_ is ax
    assert (got.line_.get_xdata() == got.prob_pred).all()
    assert got.line_.get_label() == "overconfident"
    band = got.band_.get_paths()[0].vertices
    assert {*got.interval.ravel()} <= {*band[:, 1]}
    assert "Perfectly calibrated" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_display_of_confident_predictions(ax):
    """Bins without samples are left out; a logit that no probability in float64 holds is still in the last one."""
    got = ReliabilityDisplay.from_predictions([0, 1, 1], [-inf, 800.0, 0.1], ax=ax)
    np.testing.assert_array_equal(got.counts, [1, 1, 1])
    np.testing.assert_array_equal(got.prob_true, [0, 1, 1])
    assert got.interval[0, 0] == 0
    assert got.interval[1, -1] == 1


def test_display_of_an_estimator(ax):
    X, y = DATA[2]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    got = ReliabilityDisplay.from_estimator(model, X, y, n_bins=4, ax=ax, color="red")
    want = CalibrationDisplay.from_estimator(model, X, y, n_bins=4, ax=ax)
    np.testing.assert_allclose([got.prob_true, got.prob_pred], [want.prob_true, want.prob_pred], rtol=1e-12)
    assert got.estimator_name == "Pipeline"
    assert got.line_.get_color() == "red"
    other = ReliabilityDisplay.from_estimator(model, X, y, n_bins=4, pos_label=0, ax=ax)
    np.testing.assert_allclose(other.prob_true, 1 - got.prob_true[::-1], rtol=1e-12)
    np.testing.assert_array_equal(other.counts, got.counts[::-1])
    assert other.pos_label == 0


def test_display_refuses(ax):
    for y_true, y_logit, text in [
        ([0, 1], [[0.0, 1.0], [1.0, 0.0]], "y_logit must have one logit per sample, got shape (2, 2). Pass that of pos_label."),
        ([0, 1], [0.0, nan], "Input y_logit contains NaN."),
        ([0, 1, 2], [0.0, 1.0, 2.0], "The target y is not binary."),
        ([0, 1, 1], [0.0, 1.0], "inconsistent numbers of samples"),
        (["a", "b"], [0.0, 1.0], "pos_label is not specified"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=re.escape(text)):
            ReliabilityDisplay.from_predictions(y_true, y_logit, ax=ax)
    X, y = DATA[3]
    with pytest.raises(ValueError, match="binary classifier"):
        ReliabilityDisplay.from_estimator(LogisticRegression().fit(X[:, :1], y), X[:, :1], y)


def test_matplotlib_is_imported_by_plot_alone():
    assert "matplotlib" not in imported_by("import logitloss.sklearn")
