"""Each boosting library with the loss from here, beside its own loss."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from logitloss.boosting import NOT_COUNTED, CatBoostLoss, LightGBMLoss, XGBoostLoss

from .support import derivatives, mean


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
