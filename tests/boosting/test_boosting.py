"""Objectives and metrics for boosting: derivatives and means against the definition, and the forms of the libraries."""

import doctest
import inspect
import math
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

import logitloss.boosting
from logitloss.boosting import NOT_COUNTED, CatBoostLoss, LightGBMLoss, XGBoostLoss

from .. import oracle
from ..edges import EDGES, LN2
from ..oracle import bits
from ..processes import FRAMEWORKS, imported_by
from .support import derivatives, mean

inf, nan = math.inf, math.nan
LOSSES = [XGBoostLoss, LightGBMLoss, CatBoostLoss]


# --- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("library", LOSSES)
def test_without_weights_the_derivatives_are_the_librarys(library, dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=1000) * 20, [0, 17, -17, 87, 744, inf, -inf, nan, 1e-30]]).astype(dtype)
    for z in ((x > 0) * 1.0, rng.random(x.size), rng.random(x.size).astype(np.float32), np.full(x.size, 0.5)):
        want = logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
        for weight in (None, np.ones(x.size, np.float32)):
            for one, other in zip(derivatives(library(), z, x, weight), want, strict=True):
                np.testing.assert_array_equal(one, other)
                assert one.dtype == dtype


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 1.5), (np.float64, 2.5)])
def test_weighted_derivatives_of_hard_labels(dtype, bound):
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(size=300) * 20, rng.uniform(-80, 80, 300), [0, 17, -17, 80, -80]]).astype(dtype)
    z, s, w = rng.integers(2, size=x.size), rng.random(x.size).astype(np.float32) + 0.01, 2.7
    gradient, hessian = derivatives(XGBoostLoss(w), z, x, s)
    for i in range(x.size):
        m = oracle.mp.mpf(float(s[i])) * (w if z[i] else 1)
        assert abs(oracle.ulps(gradient[i], m * oracle.gradient(x[i], z[i]), np.dtype(dtype))) <= bound
        assert abs(oracle.ulps(hessian[i], m * oracle.hessian(x[i]), np.dtype(dtype))) <= bound


def test_weighted_derivatives_of_soft_labels():
    """Both parts of the gradient cancel next to its root: the bound is in units of the larger of them."""
    rng = np.random.default_rng(2)
    x, z, w = rng.uniform(-30, 30, 500), rng.random(500), rng.random(500) * 9
    x[:100] = np.log(w * z / (1 - z))[:100]  # where the gradient is 0
    gradient, hessian = derivatives(LightGBMLoss(w), z, x)
    for i in range(x.size):
        p, w_, z_ = oracle.sigmoid(oracle.mp.mpf(x[i])), oracle.mp.mpf(w[i]), oracle.mp.mpf(z[i])
        parts = w_ * z_ * (1 - p), (1 - z_) * p
        assert abs(gradient[i] - (parts[1] - parts[0])) <= 4 * oracle.unit(max(parts), np.dtype(float))
        assert abs(oracle.ulps(hessian[i], (w_ * z_ + 1 - z_) * p * (1 - p), np.dtype(float))) <= 4


@pytest.mark.parametrize("library", LOSSES)
def test_pos_weight_zero(library):
    for derivative in derivatives(library(0), np.array([1, 1, 0.5]), np.array([-3.0, inf, 0.0])):
        np.testing.assert_array_equal(derivative[:2], 0)
        assert derivative[2] > 0


@pytest.mark.parametrize("library", LOSSES)
@pytest.mark.parametrize("label", [nan, NOT_COUNTED])
@pytest.mark.parametrize("margin", [0.3, 1e30, inf, -inf, nan])
def test_a_label_that_is_not_counted(library, label, margin):
    labels, margins, weight = np.float32([label, 1, 0]), np.array([margin, 2, 17]), np.array([5, 1, 2])
    for derivative in derivatives(library(3), labels, margins, weight):
        assert bits(np.float64(abs(derivative[0]) if library is CatBoostLoss else derivative[0])) == 0
        assert (derivative[1:] != 0).all()
    assert mean(library(3), labels, margins, weight) == mean(library(3), labels[1:], margins[1:], weight[1:])
    assert math.isnan(mean(library(3), labels[:1], margins[:1]))


@pytest.mark.parametrize("library", LOSSES)
def test_a_sample_without_weight(library):
    labels, margins, weight = np.array([0, 1, 0]), np.array([inf, 2, nan]), np.float32([0, 1, 0])
    for derivative in derivatives(library(), labels, margins, weight):
        np.testing.assert_array_equal(derivative[[0, 2]], 0)
    assert mean(library(), labels, margins, weight) == logitloss.sigmoid_cross_entropy_with_logits(
        labels=1.0, logits=2.0
    )
    assert math.isnan(mean(library(), labels, margins, np.zeros(3)))


# --- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", LOSSES)
@pytest.mark.parametrize(("x", "z", "loss"), [row[:3] for row in EDGES if 0 <= row[1] <= 1])
def test_edges(library, x, z, loss):
    np.testing.assert_equal(mean(library(), np.array([z]), np.float32([x])), math.log(2) if loss is LN2 else loss)


@pytest.mark.parametrize("library", LOSSES)
def test_the_mean_is_exact_and_divided_by_the_weights(library):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=1000).astype(np.float32) * 10, rng.integers(2, size=1000)
    assert mean(library(), z, np.float32([17] * 1000), None) > 0
    x64 = x.astype(np.float64)
    assert mean(library(), z, x) == pytest.approx(
        logitloss.sigmoid_cross_entropy_total(labels=z, logits=x64).mean(), rel=2**-52
    )
    weight = rng.random(1000)
    losses = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x64, pos_weight=3)
    assert mean(library(3), z, x, weight) == math.fsum(losses * weight) / math.fsum(weight)
    assert mean(library(3), z[::-1], x[::-1], weight[::-1]) == mean(library(3), z, x, weight)


# --- forms -----------------------------------------------------------------------------------------------------------


def test_matrices_of_labels():
    """XGBoost hands out the labels of k outputs flat or as a matrix, and one weight for each row."""
    rng = np.random.default_rng(4)
    x, z, s = rng.normal(size=(50, 3)).astype(np.float32), rng.random((50, 3)), rng.random(50)
    z[rng.random(z.shape) < 0.3] = nan
    columns = [3.0, 2.0, 0.5]
    for labels in (z, z.ravel()):
        got = XGBoostLoss(columns).sklearn_objective(labels, x, s)
        for k, w in enumerate(columns):
            for one, other in zip(got, XGBoostLoss(w).sklearn_objective(z[:, k], x[:, k], s), strict=True):
                np.testing.assert_array_equal(one[:, k], other)
        counted = ~np.isnan(z)
        losses = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x.astype(float), pos_weight=columns)
        weights = np.broadcast_to(s[:, None], z.shape)[counted]
        want = math.fsum(losses[counted] * weights) / math.fsum(weights)
        assert XGBoostLoss(columns).sigmoid_cross_entropy(labels, x, s) == want


@pytest.mark.parametrize("library", [XGBoostLoss, LightGBMLoss])
@pytest.mark.parametrize("weight", [None, np.float32([]), np.float32([1, 2])])
def test_native_forms(library, weight):
    data = SimpleNamespace(get_label=lambda: np.float32([0, 1]), get_weight=lambda: weight)
    x = np.float32([3, -2])
    got, want = library(2).objective(x, data), library(2).sklearn_objective(data.get_label(), x, weight)
    np.testing.assert_array_equal(got, want)
    name, value, *direction = library(2).metric(x, data)
    assert (name, value) == ("sigmoid_cross_entropy", mean(library(2), data.get_label(), x, weight))
    assert direction == ([False] if library is LightGBMLoss else [])


def test_what_the_hosts_look_for():
    """XGBoost asks for the name of the third parameter, LightGBM for their number; scikit-learn pickles and copies."""
    for library in (XGBoostLoss, LightGBMLoss):
        names = ["y_true", "y_pred", "sample_weight"]
        assert list(inspect.signature(library().sklearn_objective).parameters) == names
        again = pickle.loads(pickle.dumps(library(3).sklearn_objective))
        np.testing.assert_array_equal(again([1], [2.0]), library(3).sklearn_objective([1], [2.0]))
    assert list(inspect.signature(LightGBMLoss().sklearn_metric).parameters) == names
    assert CatBoostLoss().is_max_optimal() is False


@pytest.mark.parametrize("library", LOSSES)
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda library: library(-1), "pos_weight must be finite and not negative, got -1. Pass 1 for no weight."),
        (lambda library: library([1, inf]), "pos_weight must be finite and not negative, got [1, inf]. "),
        (lambda library: library(nan), "pos_weight must be finite and not negative, got nan. "),
        (lambda library: derivatives(library(), np.array([0, 2]), np.zeros(2)), "labels must be from 0 to 1, or nan or -9 if not counted, got 2. Map the classes to 0 and 1."),
        (lambda library: mean(library(), np.array([-1, 1]), np.zeros(2)), "labels must be from 0 to 1, or nan or -9 if not counted, got -1. "),
        (lambda library: derivatives(library(), np.zeros(3), np.zeros((3, 2))), "labels must be one for each margin, got (3,) for margins of shape (3, 2). Give each column of labels an output, or each output a column."),
        (lambda library: derivatives(library(), np.zeros(4), np.zeros(4), np.ones(3)), "sample_weight must be one for each row, got (3,) for margins of shape (4,). Weigh columns by pos_weight, or train a model for each."),
        (lambda library: mean(library(), np.zeros(4), np.zeros(4), np.ones((4, 2))), "sample_weight must be one for each row, got (4, 2) for margins of shape (4,). "),
        (lambda library: derivatives(library([[2], [3]]), np.zeros(2), np.zeros(2)), "pos_weight must broadcast to the shape of logits without enlarging it, got (2, 1) for logits of shape (2,). "),
        (lambda library: derivatives(library([2, 3]), np.zeros((4, 1)), np.zeros((4, 1))), "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (4, 1). "),
    ],
)  # fmt: skip
def test_bad_input(library, call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call(library)


def test_docstrings():
    assert doctest.testmod(logitloss.boosting) == (0, 11)


def test_no_host_is_imported():
    assert not imported_by("import logitloss.boosting") & FRAMEWORKS
