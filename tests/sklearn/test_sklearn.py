"""The scikit-learn adapter: its metric's own published cases in logits, and the scorer in model selection."""

import doctest
import math
import re

import numpy as np
import pytest

from ..edges import EDGES, LN2

pytest.importorskip("sklearn")
import scipy.special
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.ensemble import AdaBoostClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import logitloss.sklearn
from logitloss.sklearn import log_loss_from_logits, neg_log_loss_from_logits_scorer

from .support import DATA

inf, nan = math.inf, math.nan


def logit(p):
    return np.log(p) - np.log1p(-np.asarray(p))


# --- log_loss's published cases, as logits ---------------------------------------------------------------------------


def test_published_symbolic_labels():
    y_true = ["no", "no", "no", "yes", "yes", "yes"]
    p = np.array([0.5, 0.9, 0.99, 0.1, 0.25, 0.999])
    want = -np.mean(np.log([0.5, 0.1, 0.01, 0.1, 0.25, 0.999]))
    for y_logit in (logit(p), logit(p)[:, None], np.log(np.stack([1 - p, p], 1))):
        assert log_loss_from_logits(y_true, y_logit) == pytest.approx(want, rel=1e-14)


def test_published_multiclass():
    y_true, y_logit = [1, 0, 2], np.log([[0.2, 0.7, 0.1], [0.6, 0.2, 0.2], [0.6, 0.1, 0.3]])
    assert log_loss_from_logits(y_true, y_logit) == pytest.approx(0.6904911, rel=1e-7)
    twice = log_loss_from_logits(y_true * 2, np.tile(y_logit, (2, 1)), normalize=False)
    assert twice == pytest.approx(0.6904911 * 6, rel=1e-7)
    assert log_loss_from_logits(np.eye(3)[y_true], y_logit) == log_loss_from_logits(y_true, y_logit)


def test_published_strings_and_pandas():
    y_true, y_logit = ["ham", "spam", "spam", "ham"], np.log([[0.3, 0.7], [0.6, 0.4], [0.4, 0.6], [0.7, 0.3]])
    assert log_loss_from_logits(y_true, y_logit) == pytest.approx(0.7469410, rel=1e-7)
    pandas = pytest.importorskip("pandas")
    got = log_loss_from_logits(pandas.Series(y_true), pandas.DataFrame(y_logit))
    assert got == pytest.approx(0.7469410, rel=1e-7)


def test_published_labels_option():
    got = log_loss_from_logits([2, 2], np.log([[0.1, 0.9], [0.1, 0.9]]), labels=[1, 2])
    assert got == pytest.approx(-np.log(0.9), rel=1e-14)
    got = log_loss_from_logits([1, 2, 2], np.log([[0.7, 0.1, 0.2], [0.2, 0.7, 0.1], [0.1, 0.7, 0.2]]), labels=[1, 2, 3])
    assert got == pytest.approx(-np.log(0.7), rel=1e-14)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
def test_published_perfect_and_opposite_predictions(dtype):
    """Exactly 0 and inf where log_loss clips."""
    sure = np.array([-inf, inf, -inf], dtype)
    assert log_loss_from_logits([0, 1, 0], sure) == 0
    assert log_loss_from_logits([1, 0, 1], sure) == inf
    assert log_loss_from_logits([0, 1, 2], np.where(np.eye(3), 0, -inf).astype(dtype)) == 0
    assert log_loss_from_logits([0, 1, 1], np.where(np.eye(3)[:, :2], 0, -inf).astype(dtype)[[0, 1, 0]]) == inf


def test_published_warning():
    text = (
        "Labels passed were ['spam', 'eggs', 'ham']. But this function assumes labels are ordered lexicographically. "
        "Pass the ordered labels=['eggs', 'ham', 'spam'] and ensure that the columns of y_logit correspond to this "
        "ordering."
    )
    with pytest.warns(UserWarning, match=re.escape(text)):
        got = log_loss_from_logits(["eggs", "spam", "ham"], 40 * np.eye(3), labels=["spam", "eggs", "ham"])
    assert got == pytest.approx(80 / 3, rel=1e-14)


@pytest.mark.parametrize(
    ("y_true", "y_logit", "options", "text"),
    [
        ([1, 0, 2], np.zeros((3, 2)), {}, "y_true and y_logit contain different number of classes: 3 vs 2. Please provide the true labels explicitly through the labels argument. Classes found: [0, 1, 2]."),
        ([1, 0, 2], np.zeros(3), {}, "y_true and y_logit contain different number of classes: 3 vs 2. "),
        ([1, 0, 1], np.zeros((3, 3)), {"labels": [0, 1]}, "y_true and y_logit contain different number of classes: 2 vs 3. Classes found: [0, 1]."),
        (["a", "b", "c"], np.zeros((3, 3)), {"labels": ["a", "c", "d"]}, "y_true contains values ['b'] not belonging to the passed labels ['a', 'c', 'd']."),
        ([2, 2], np.zeros((2, 2)), {}, "y_true contains only one label (2). Please provide the list of all expected class labels explicitly through the labels argument."),
        ([2, 2], np.zeros((2, 2)), {"labels": [2]}, "The labels array needs to contain at least two labels, got [2]."),
        ([0, 1], np.zeros((3, 2)), {}, "Found input variables with inconsistent numbers of samples: [3, 2]"),
        ([0, 1], np.zeros(2), {"sample_weight": [1, 2, 3]}, "Found input variables with inconsistent numbers of samples: [2, 2, 3]"),
        ([0, 1], np.zeros(2), {"sample_weight": [1, nan]}, "NaN"),
        ([0, 1], np.zeros(2), {"sample_weight": [[1], [2]]}, "1D array"),
        ([0, 1], np.zeros((2, 1, 2)), {}, "dim 3"),
        ([0, 1], ["a", "b"], {}, "could not convert string to float"),
        ([0, 1], np.array([[0j, 1j]] * 2), {}, "Complex data not supported"),
        ([], [], {}, "0 sample"),
        ([0, 1], [nan, 1], {}, "Input y_logit contains NaN. Drop these samples, or impute what the model could not score."),
    ],
)  # fmt: skip
def test_bad_input(y_true, y_logit, options, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        log_loss_from_logits(y_true, y_logit, **options)


# --- values ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "z", "loss"), [row[:3] for row in EDGES if row[1] in (0, 1) and row[0] == row[0]])
def test_edges(x, z, loss):
    want = math.log(2) if loss is LN2 else loss
    for y_logit in ([x], [[x]], [[0.0, x]]):
        assert log_loss_from_logits([z], y_logit, labels=[0, 1]) == want


def test_where_log_loss_clips():
    """A confident mistake in logits, and what is left of it in probabilities."""
    assert log_loss_from_logits([0, 0], [100.0, 100.0], labels=[0, 1]) == 100
    assert log_loss([0, 0], [1.0, 1.0], labels=[0, 1]) == pytest.approx(36.04, abs=0.005)
    assert log_loss([0, 0], np.float32([1.0, 1.0]), labels=[0, 1]) == pytest.approx(15.94, abs=0.005)


@pytest.mark.parametrize("classes", [2, 3])
def test_against_log_loss(classes):
    rng = np.random.default_rng(classes)
    x, y = rng.normal(size=(1000, classes)) * 3, rng.integers(classes, size=1000)
    x[:, 0] = 0
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    for options in ({}, {"normalize": False}):
        for weights in (None, rng.random(1000), rng.integers(3, size=1000)):
            got = log_loss_from_logits(y, x[:, 1] if classes == 2 else x, sample_weight=weights, **options)
            assert got == pytest.approx(log_loss(y, p, sample_weight=weights, **options), rel=1e-13)


def test_the_sum_is_exact():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=1000) * 10, rng.integers(2, size=1000)
    total = logitloss.sigmoid_cross_entropy_total(labels=y, logits=x)
    assert log_loss_from_logits(y, x) == log_loss_from_logits(y[::-1], x[::-1]) == total.mean()
    assert log_loss_from_logits(y, x, normalize=False) == total.compute()
    losses, weights = logitloss.sigmoid_cross_entropy_with_logits(labels=y, logits=x), rng.random(1000)
    assert log_loss_from_logits(y, x, normalize=False, sample_weight=weights) == math.fsum(losses * weights)
    got = log_loss_from_logits(y, x, sample_weight=weights)
    assert got == math.fsum(losses * weights) / math.fsum(weights)


def test_a_sample_without_weight_adds_nothing():
    got = log_loss_from_logits([0, 1, 0], [inf, 0.0, 1.0], sample_weight=[0, 2, 0])
    assert got == math.log(2)


# --- the scorer ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", DATA)
def test_scorer(classes):
    X, y = DATA[classes]
    model = make_pipeline(StandardScaler(), LogisticRegression())
    got = cross_val_score(model, X, y, scoring=neg_log_loss_from_logits_scorer)
    np.testing.assert_allclose(got, cross_val_score(model, X, y, scoring="neg_log_loss"), rtol=1e-12)
    search = GridSearchCV(model, {"logisticregression__C": [1e-4, 1.0]}, scoring=neg_log_loss_from_logits_scorer)
    assert search.fit(X, y).best_params_ == {"logisticregression__C": 1.0}
    assert search.score(X, y) == -log_loss_from_logits(y, search.decision_function(X))


def test_scorer_of_string_labels_and_weights():
    X, y = DATA[2]
    names = np.array(["malignant", "benign"])[y]  # sorted the other way round
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, names)
    weights = np.linspace(0, 1, len(y))
    got = neg_log_loss_from_logits_scorer(model, X, names, sample_weight=weights)
    assert got == -log_loss_from_logits(1 - y, model.decision_function(X), sample_weight=weights)
    assert got == pytest.approx(-log_loss(names, model.predict_proba(X), sample_weight=weights), rel=1e-12)


def test_a_scorer_that_knows_all_classes():
    X, y = DATA[2]
    model = LogisticRegression(max_iter=10_000).fit(X, y)
    ones = X[y == 1], y[y == 1]
    with pytest.raises(ValueError, match="only one label"):
        neg_log_loss_from_logits_scorer(model, *ones)
    scorer = make_scorer(
        log_loss_from_logits, greater_is_better=False, response_method="decision_function", labels=[0, 1]
    )
    assert scorer(model, *ones) == -log_loss_from_logits(ones[1], model.decision_function(ones[0]), labels=[0, 1])


@pytest.mark.parametrize(
    ("model", "classes", "logits"),
    [
        (LogisticRegression(), 2, True),
        (LogisticRegression(), 3, True),
        (SGDClassifier(loss="log_loss", random_state=0), 2, True),
        (GradientBoostingClassifier(n_estimators=5), 2, True),
        (GradientBoostingClassifier(n_estimators=5), 3, True),
        (HistGradientBoostingClassifier(max_iter=5), 2, True),
        (HistGradientBoostingClassifier(max_iter=5), 3, True),
        (LinearDiscriminantAnalysis(), 2, True),
        (LinearDiscriminantAnalysis(), 3, True),
        (QuadraticDiscriminantAnalysis(), 2, True),
        (QuadraticDiscriminantAnalysis(), 3, True),
        (OneVsRestClassifier(LogisticRegression()), 2, True),
        (SGDClassifier(loss="log_loss", random_state=0), 3, False),
        (OneVsRestClassifier(LogisticRegression()), 3, False),
        (AdaBoostClassifier(n_estimators=5), 2, True),
        (AdaBoostClassifier(n_estimators=5), 3, False),
    ],
    ids=lambda value: type(value).__name__ if hasattr(value, "fit") else str(value),
)
def test_whose_decision_functions_are_logits(model, classes, logits):
    """The table in the documentation: the model's own probabilities are the softmax of its decisions, or are not."""
    X, y = StandardScaler().fit_transform(DATA[classes][0][:, :4]), DATA[classes][1]
    model.fit(X, y)
    x = model.decision_function(X)
    p = scipy.special.softmax(np.stack([np.zeros_like(x), x], axis=1) if classes == 2 else x, axis=1)
    assert np.allclose(p, model.predict_proba(X), rtol=0, atol=1e-9) == logits


def test_docstrings():
    assert doctest.testmod(logitloss.sklearn) == (0, 3)
