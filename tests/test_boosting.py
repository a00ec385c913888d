"""Objectives and metrics for boosting: the derivatives against the definition, then each host beside its own loss."""

import doctest
import inspect
import math
import pickle
import re
from types import SimpleNamespace

import numpy as np
import pytest

import oracle
import xent.boosting
from oracle import bits
from test_losses import EDGES, LN2
from test_process import FRAMEWORKS, imported_by
from xent.boosting import NOT_COUNTED, CatBoostLoss, LightGBMLoss, XGBoostLoss

inf, nan = math.inf, math.nan
LOSSES = [XGBoostLoss, LightGBMLoss, CatBoostLoss]


def derivatives(loss, labels, margins, weight=None):
    """Gradient and hessian by the names and signs of the host."""
    if isinstance(loss, CatBoostLoss):
        return -loss.calc_ders_range(margins, labels, weight).T
    return loss.sklearn_objective(labels, margins, weight)


def mean(loss, labels, margins, weight=None):
    """The metric by the names of the host."""
    if isinstance(loss, CatBoostLoss):
        return loss.get_final_error(*loss.evaluate((margins,), labels, weight))
    if isinstance(loss, LightGBMLoss):
        return loss.sklearn_metric(labels, margins, weight)[1]
    return loss.sigmoid_cross_entropy(labels, margins, weight)


# --- derivatives -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("host", LOSSES)
def test_without_weights_the_derivatives_are_the_librarys(host, dtype):
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=1000) * 20, [0, 17, -17, 87, 744, inf, -inf, nan, 1e-30]]).astype(dtype)
    for z in ((x > 0) * 1.0, rng.random(x.size), rng.random(x.size).astype(np.float32), np.full(x.size, 0.5)):
        want = xent.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
        for weight in (None, np.ones(x.size, np.float32)):
            for one, other in zip(derivatives(host(), z, x, weight), want, strict=True):
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


@pytest.mark.parametrize("host", LOSSES)
def test_pos_weight_zero(host):
    for derivative in derivatives(host(0), np.array([1, 1, 0.5]), np.array([-3.0, inf, 0.0])):
        np.testing.assert_array_equal(derivative[:2], 0)
        assert derivative[2] > 0


@pytest.mark.parametrize("host", LOSSES)
@pytest.mark.parametrize("label", [nan, NOT_COUNTED])
@pytest.mark.parametrize("margin", [0.3, 1e30, inf, -inf, nan])
def test_a_label_that_is_not_counted(host, label, margin):
    labels, margins, weight = np.float32([label, 1, 0]), np.array([margin, 2, 17]), np.array([5, 1, 2])
    for derivative in derivatives(host(3), labels, margins, weight):
        assert bits(np.float64(abs(derivative[0]) if host is CatBoostLoss else derivative[0])) == 0
        assert (derivative[1:] != 0).all()
    assert mean(host(3), labels, margins, weight) == mean(host(3), labels[1:], margins[1:], weight[1:])
    assert math.isnan(mean(host(3), labels[:1], margins[:1]))


@pytest.mark.parametrize("host", LOSSES)
def test_a_sample_without_weight(host):
    labels, margins, weight = np.array([0, 1, 0]), np.array([inf, 2, nan]), np.float32([0, 1, 0])
    for derivative in derivatives(host(), labels, margins, weight):
        np.testing.assert_array_equal(derivative[[0, 2]], 0)
    assert mean(host(), labels, margins, weight) == xent.sigmoid_cross_entropy_with_logits(labels=1.0, logits=2.0)
    assert math.isnan(mean(host(), labels, margins, np.zeros(3)))


# --- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", LOSSES)
@pytest.mark.parametrize(("x", "z", "loss"), [row[:3] for row in EDGES if 0 <= row[1] <= 1])
def test_edges(host, x, z, loss):
    np.testing.assert_equal(mean(host(), np.array([z]), np.float32([x])), math.log(2) if loss is LN2 else loss)


@pytest.mark.parametrize("host", LOSSES)
def test_the_mean_is_exact_and_divided_by_the_weights(host):
    rng = np.random.default_rng(3)
    x, z = rng.normal(size=1000).astype(np.float32) * 10, rng.integers(2, size=1000)
    assert mean(host(), z, np.float32([17] * 1000), None) > 0
    x64 = x.astype(np.float64)
    assert mean(host(), z, x) == pytest.approx(
        xent.sigmoid_cross_entropy_total(labels=z, logits=x64).mean(), rel=2**-52
    )
    weight = rng.random(1000)
    losses = xent.weighted_cross_entropy_with_logits(labels=z, logits=x64, pos_weight=3)
    assert mean(host(3), z, x, weight) == math.fsum(losses * weight) / math.fsum(weight)
    assert mean(host(3), z[::-1], x[::-1], weight[::-1]) == mean(host(3), z, x, weight)


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
        losses = xent.weighted_cross_entropy_with_logits(labels=z, logits=x.astype(float), pos_weight=columns)
        weights = np.broadcast_to(s[:, None], z.shape)[counted]
        want = math.fsum(losses[counted] * weights) / math.fsum(weights)
        assert XGBoostLoss(columns).sigmoid_cross_entropy(labels, x, s) == want


@pytest.mark.parametrize("host", [XGBoostLoss, LightGBMLoss])
@pytest.mark.parametrize("weight", [None, np.float32([]), np.float32([1, 2])])
def test_native_forms(host, weight):
    data = SimpleNamespace(get_label=lambda: np.float32([0, 1]), get_weight=lambda: weight)
    x = np.float32([3, -2])
    got, want = host(2).objective(x, data), host(2).sklearn_objective(data.get_label(), x, weight)
    np.testing.assert_array_equal(got, want)
    name, value, *direction = host(2).metric(x, data)
    assert (name, value) == ("sigmoid_cross_entropy", mean(host(2), data.get_label(), x, weight))
    assert direction == ([False] if host is LightGBMLoss else [])


def test_what_the_hosts_look_for():
    """XGBoost asks for the name of the third parameter, LightGBM for their number; scikit-learn pickles and copies."""
    for host in (XGBoostLoss, LightGBMLoss):
        names = ["y_true", "y_pred", "sample_weight"]
        assert list(inspect.signature(host().sklearn_objective).parameters) == names
        again = pickle.loads(pickle.dumps(host(3).sklearn_objective))
        np.testing.assert_array_equal(again([1], [2.0]), host(3).sklearn_objective([1], [2.0]))
    assert list(inspect.signature(LightGBMLoss().sklearn_metric).parameters) == names
    assert CatBoostLoss().is_max_optimal() is False


@pytest.mark.parametrize("host", LOSSES)
@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda host: host(-1), "pos_weight must be finite and not negative, got -1. Pass 1 for no weight."),
        (lambda host: host([1, inf]), "pos_weight must be finite and not negative, got [1, inf]. "),
        (lambda host: host(nan), "pos_weight must be finite and not negative, got nan. "),
        (lambda host: derivatives(host(), np.array([0, 2]), np.zeros(2)), "labels must be from 0 to 1, or nan or -9 if not counted, got 2. Map the classes to 0 and 1."),
        (lambda host: mean(host(), np.array([-1, 1]), np.zeros(2)), "labels must be from 0 to 1, or nan or -9 if not counted, got -1. "),
        (lambda host: derivatives(host(), np.zeros(3), np.zeros((3, 2))), "labels must be one for each margin, got (3,) for margins of shape (3, 2). Give each column of labels an output, or each output a column."),
        (lambda host: derivatives(host(), np.zeros(4), np.zeros(4), np.ones(3)), "sample_weight must be one for each row, got (3,) for margins of shape (4,). Weigh columns by pos_weight, or train a model for each."),
        (lambda host: mean(host(), np.zeros(4), np.zeros(4), np.ones((4, 2))), "sample_weight must be one for each row, got (4, 2) for margins of shape (4,). "),
        (lambda host: derivatives(host([[2], [3]]), np.zeros(2), np.zeros(2)), "pos_weight must broadcast to the shape of logits without enlarging it, got (2, 1) for logits of shape (2,). "),
        (lambda host: derivatives(host([2, 3]), np.zeros((4, 1)), np.zeros((4, 1))), "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (4, 1). "),
    ],
)  # fmt: skip
def test_bad_input(host, call, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        call(host)


def test_docstrings():
    assert doctest.testmod(xent.boosting) == (0, 11)


def test_no_host_is_imported():
    assert not imported_by("import xent.boosting") & FRAMEWORKS


# --- the hosts -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    """scikit-learn's breast cancer data with weights and soft labels."""
    X, y = pytest.importorskip("sklearn.datasets").load_breast_cancer(return_X_y=True)
    rng = np.random.default_rng(5)
    weight = rng.random(len(y)).astype(np.float32)
    return SimpleNamespace(X=X.astype(np.float32), y=y, weight=weight, soft=(0.9 * y + 0.1 * rng.random(len(y))))


# CatBoost says either that Numba is missing or that it cannot compile what calls a compiled core anyway.
without_numba = pytest.mark.filterwarnings("ignore:Failed to import numba", "ignore:Can't optimze method")

CASES = [("hard", {}), ("weights", {}), ("soft", {}), ("pos_weight", {"pos_weight": 3})]


def case(data, name):
    return (data.soft if name == "soft" else data.y), (data.weight if name == "weights" else None)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_xgboost_grows_the_trees_of_binary_logistic(data, name, options):
    xgboost = pytest.importorskip("xgboost")
    y, weight = case(data, name)
    d = xgboost.DMatrix(data.X, label=y, weight=weight)
    params, evals = {"max_depth": 4, "nthread": 1}, {}
    loss = XGBoostLoss(**options)
    params_ours = {**params, "base_score": 0, "disable_default_eval_metric": True}
    ours = xgboost.train(
        params_ours,
        d,
        20,
        obj=loss.objective,
        custom_metric=loss.metric,
        evals=[(d, "train")],
        evals_result=evals,
        verbose_eval=False,
    )
    params |= {"objective": "binary:logistic", "base_score": 0.5, "scale_pos_weight": options.get("pos_weight", 1)}
    theirs = xgboost.train(params, d, 20)
    got, want = ours.trees_to_dataframe(), theirs.trees_to_dataframe()
    assert len(got) > 200
    for column in ("Tree", "Node", "Feature", "Split", "Yes", "No"):
        assert got[column].equals(want[column]), column
    margins = ours.predict(d)
    np.testing.assert_allclose(margins, theirs.predict(d, output_margin=True), rtol=1e-4, atol=1e-5)
    shown = evals["train"]["sigmoid_cross_entropy"][-1]
    assert shown == float(f"{mean(loss, y.astype(np.float32), margins, weight):f}")  # XGBoost keeps six decimals


def test_xgboosts_own_metric_is_clipped():
    xgboost = pytest.importorskip("xgboost")
    d = xgboost.DMatrix(np.zeros((1, 1)), label=[0], base_margin=[17])
    model = xgboost.Booster({"objective": "binary:logistic", "eval_metric": "logloss"}, [d])
    assert float(model.eval(d).partition("logloss:")[2]) == pytest.approx(36.84, abs=0.005)
    assert XGBoostLoss().metric(model.predict(d, output_margin=True), d) == (
        "sigmoid_cross_entropy",
        17.000000041399375,
    )


def test_xgboost_in_scikit_learns_form(data):
    xgboost = pytest.importorskip("xgboost")
    base = pytest.importorskip("sklearn.base")
    loss, params = XGBoostLoss(), {"n_estimators": 10, "n_jobs": 1, "base_score": 0.5}
    ours = xgboost.XGBClassifier(**params, objective=loss.sklearn_objective, eval_metric=loss.sigmoid_cross_entropy)
    ours = base.clone(ours).fit(data.X, data.y, sample_weight=data.weight, eval_set=[(data.X, data.y)], verbose=False)
    theirs = xgboost.XGBClassifier(**params).fit(data.X, data.y, sample_weight=data.weight)
    np.testing.assert_allclose(ours.predict_proba(data.X), theirs.predict_proba(data.X), rtol=1e-5, atol=1e-6)
    shown = ours.evals_result()["validation_0"]["sigmoid_cross_entropy"][-1]
    assert shown == float(f"{mean(loss, data.y, ours.predict(data.X, output_margin=True)):f}")


@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_xgboost_with_several_labels(data, strategy):
    xgboost = pytest.importorskip("xgboost")
    labels = np.stack([data.y, data.X[:, 0] > 14, data.X[:, 1] > 20], axis=1).astype(np.float32)
    d = xgboost.DMatrix(data.X, label=labels)
    params = {"max_depth": 3, "nthread": 1, "multi_strategy": strategy}
    ours = xgboost.train({**params, "base_score": 0}, d, 10, obj=XGBoostLoss().objective)
    theirs = xgboost.train({**params, "objective": "binary:logistic", "base_score": 0.5}, d, 10)
    got = ours.predict(d)
    assert got.shape == labels.shape
    np.testing.assert_allclose(got, theirs.predict(d, output_margin=True), rtol=1e-4, atol=1e-5)


def test_xgboost_with_labels_that_are_not_counted(data):
    """Each output of a matrix with gaps is the model of the rows it has: exact splits see no other row."""
    xgboost = pytest.importorskip("xgboost")
    labels = np.stack([data.y, data.X[:, 0] > 14], axis=1).astype(np.float32)
    gaps = np.random.default_rng(6).random(labels.shape) < 0.4
    labels[gaps] = NOT_COUNTED
    params = {"max_depth": 3, "nthread": 1, "base_score": 0, "tree_method": "exact"}
    model = xgboost.train(params, xgboost.DMatrix(data.X, label=labels), 5, obj=XGBoostLoss().objective)
    got = model.predict(xgboost.DMatrix(data.X))
    for k in range(2):
        rows = ~gaps[:, k]
        d = xgboost.DMatrix(data.X[rows], label=labels[rows, k])
        alone = xgboost.train(params, d, 5, obj=XGBoostLoss().objective)
        np.testing.assert_allclose(got[rows, k], alone.predict(d), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), CASES)
def test_lightgbm_grows_the_trees_of_binary(data, name, options):
    lightgbm = pytest.importorskip("lightgbm")
    y, weight = case(data, name)
    params = {"verbose": -1, "num_threads": 1, "deterministic": True, "boost_from_average": False}
    loss, evals = LightGBMLoss(**options), {}
    d = lightgbm.Dataset(data.X, label=y, weight=weight)
    ours = lightgbm.train(
        {**params, "objective": loss.objective, "metric": "None"},
        d,
        20,
        feval=loss.metric,
        valid_sets=[d],
        callbacks=[lightgbm.record_evaluation(evals)],
    )
    builtin = "cross_entropy" if name == "soft" else "binary"
    params |= {"objective": builtin, "scale_pos_weight": options.get("pos_weight", 1)}
    theirs = lightgbm.train(params, lightgbm.Dataset(data.X, label=y, weight=weight), 20)
    margins = ours.predict(data.X)
    np.testing.assert_allclose(margins, theirs.predict(data.X, raw_score=True), rtol=1e-5, atol=1e-6)
    last = evals["training"]["sigmoid_cross_entropy"][-1]
    assert last == pytest.approx(mean(loss, y.astype(np.float32), margins, weight), rel=1e-12)


def test_lightgbm_starts_where_it_is_told(data):
    """The start is not a part of the predictions, so it is added to them."""
    lightgbm = pytest.importorskip("lightgbm")
    start = math.log(data.y.mean() / (1 - data.y.mean()))
    params = {"verbose": -1, "num_threads": 1, "deterministic": True}
    d = lightgbm.Dataset(data.X, label=data.y, init_score=np.full(len(data.y), start))
    ours = lightgbm.train({**params, "objective": LightGBMLoss().objective}, d, 20)
    theirs = lightgbm.train({**params, "objective": "binary"}, lightgbm.Dataset(data.X, label=data.y), 20)
    want = theirs.predict(data.X, raw_score=True)
    np.testing.assert_allclose(start + ours.predict(data.X), want, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:The argument 'eval_set' is deprecated", "ignore:Cannot compute class probabilities")
def test_lightgbm_in_scikit_learns_form(data):
    lightgbm = pytest.importorskip("lightgbm")
    base = pytest.importorskip("sklearn.base")
    loss, params = LightGBMLoss(), {"n_estimators": 10, "n_jobs": 1, "verbose": -1, "deterministic": True}
    ours = base.clone(lightgbm.LGBMClassifier(**params, objective=loss.sklearn_objective, metric="None"))
    weights = {"sample_weight": data.weight}
    ours.fit(data.X, data.y, eval_set=[(data.X, data.y)], eval_metric=loss.sklearn_metric, **weights)
    theirs = lightgbm.LGBMClassifier(**params, boost_from_average=False).fit(data.X, data.y, **weights)
    margins = ours.predict_proba(data.X)
    np.testing.assert_allclose(margins, theirs.predict(data.X, raw_score=True), rtol=1e-5, atol=1e-6)
    last = ours.evals_result_["training"]["sigmoid_cross_entropy"][-1]
    assert last == pytest.approx(mean(loss, data.y, margins, data.weight), rel=1e-12)


@without_numba
@pytest.mark.parametrize("name", ["hard", "weights", "soft"])
def test_catboost_grows_the_trees_of_logloss(data, name):
    catboost = pytest.importorskip("catboost")
    y, weight = case(data, name)
    pool = catboost.Pool(data.X, y.astype(np.float64), weight=weight)
    params = {
        "iterations": 10,
        "thread_count": 1,
        "random_seed": 0,
        "verbose": False,
        "allow_writing_files": False,
        "boost_from_average": False,
        "leaf_estimation_method": "Newton",
        "leaf_estimation_iterations": 1,
        "boosting_type": "Plain",
        "bootstrap_type": "No",
    }
    loss = CatBoostLoss()
    ours = catboost.CatBoost({**params, "loss_function": loss, "eval_metric": loss}).fit(pool)
    builtin = "CrossEntropy" if name == "soft" else "Logloss"
    theirs = catboost.CatBoost({**params, "loss_function": builtin}).fit(pool)
    margins = ours.predict(data.X)
    np.testing.assert_allclose(margins, theirs.predict(data.X), rtol=1e-5, atol=1e-6)
    last = ours.get_evals_result()["learn"]["CatBoostLoss"][-1]
    assert last == pytest.approx(mean(loss, y.astype(np.float32), margins, weight), rel=1e-9)


@without_numba
def test_catboost_with_pos_weight(data):
    """Newton's steps in the leaves of one tree end where the weighted gradients add up to 0."""
    catboost = pytest.importorskip("catboost")
    loss = CatBoostLoss(pos_weight=3)
    params = {"iterations": 1, "learning_rate": 1, "l2_leaf_reg": 0, "leaf_estimation_iterations": 20, "verbose": False}
    params |= {"allow_writing_files": False, "loss_function": loss, "eval_metric": loss, "depth": 2}
    model = catboost.CatBoost({**params, "leaf_estimation_method": "Newton"}).fit(data.X, data.y.astype(float))
    gradient, _ = derivatives(loss, data.y, model.predict(data.X))
    assert abs(gradient.sum()) < 1e-6 * abs(gradient).sum()


@without_numba
def test_catboost_with_labels_that_are_not_counted(data):
    catboost = pytest.importorskip("catboost")
    y = np.where(np.random.default_rng(7).random(len(data.y)) < 0.4, NOT_COUNTED, data.y)
    loss = CatBoostLoss()
    params = {"iterations": 5, "verbose": False, "allow_writing_files": False, "loss_function": loss}
    model = catboost.CatBoost({**params, "eval_metric": loss}).fit(data.X, y)
    margins = model.predict(data.X)
    assert mean(loss, data.y, margins) < 0.65
    last = model.get_evals_result()["learn"]["CatBoostLoss"][-1]
    assert last == pytest.approx(mean(loss, y, margins), rel=1e-9)


@without_numba
def test_catboost_in_a_grid_search(data):
    catboost = pytest.importorskip("catboost")
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    loss, params = CatBoostLoss(), {"iterations": 2, "verbose": False, "allow_writing_files": False}
    model = catboost.CatBoostRegressor(**params, loss_function=loss, eval_metric=loss)
    assert search(model, {"learning_rate": [1e-6, 0.5]}, cv=2).fit(data.X, data.y).best_params_ == {
        "learning_rate": 0.5
    }
