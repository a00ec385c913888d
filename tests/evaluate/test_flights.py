"""The shipped predictions are what the README says, and the script that made them does what it says."""

import sys
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import logitloss
from logitloss.evaluate import score

from .. import ROOT

EXAMPLES = ROOT / "examples"
FLIGHTS = EXAMPLES / "flights.parquet"


@pytest.fixture(scope="module")
def flights():
    return pa.parquet.read_table(FLIGHTS)


@pytest.fixture(scope="module")
def script():
    pytest.importorskip("scipy")
    pytest.importorskip("pandas")
    sys.path.insert(0, str(EXAMPLES))
    try:
        import make_flights
    finally:
        sys.path.remove(str(EXAMPLES))
    return make_flights


def test_the_file(flights):
    assert FLIGHTS.stat().st_size < 6e6
    assert flights.num_rows == 327_346  # of 336,776 departures: the rest was cancelled or diverted
    assert {field.name: str(field.type) for field in flights.schema} == {
        "carrier": "string",
        "origin": "string",
        "month": "int8",
        "day": "date32[day]",
        "logit": "float",
        "late": "bool",
    }
    assert not any(column.null_count for column in flights.columns)
    assert flights["late"].to_numpy().sum() == 77_630
    assert len(flights["carrier"].unique()) == 16
    assert sorted(flights["month"].unique().to_pylist()) == list(range(1, 13))
    assert len(flights["day"].unique()) == 365
    assert [day.month for day in flights["day"].to_pylist()] == flights["month"].to_pylist()


def test_the_scores(flights):
    report = score(FLIGHTS, logits="logit", labels="late", by=["carrier"])
    labels, logits = flights["late"].to_numpy(), flights["logit"].to_numpy()
    losses = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    assert report.overall.mean_loss == float(sum(map(Fraction, losses.tolist())) / len(losses))
    assert 0.10 < report.overall.skill < 0.12
    assert sum(group.score.rows for group in report.groups) == report.overall.rows == 327_346


def test_the_predictions_are_calibrated_as_those_of_a_model_that_has_not_seen_the_labels(flights):
    labels, logits = flights["late"].to_numpy(), flights["logit"].to_numpy().astype(np.float64)
    predicted = 1 / (1 + np.exp(-logits))
    assert abs(predicted.mean() - labels.mean()) < 0.005
    for part in np.array_split(np.argsort(logits), 10):
        assert abs(predicted[part].mean() - labels[part].mean()) < 0.03


def test_no_day_is_in_two_folds_and_none_is_empty(script):
    days = np.random.default_rng(0).integers(1, 366, 5000)
    folds = script.folds(days)
    assert sorted(set(folds)) == list(range(script.FOLDS))
    for day in set(days):
        assert len(set(folds[days == day])) == 1
    np.testing.assert_array_equal(folds, script.folds(days))


def test_the_fit_is_at_the_minimum_of_the_objective(script):
    from scipy import sparse

    r = np.random.default_rng(0)
    features = sparse.csr_array(np.c_[np.ones(400), r.normal(size=(400, 3))])
    late = r.random(400) < 1 / (1 + np.exp(-(features @ [-1.0, 2.0, 0.0, 0.5])))
    weights = script.fit(features, late)
    value, gradient = script.objective(weights, features, late)
    assert np.abs(gradient).max() < 1e-6
    for step in r.normal(size=(20, 4)):
        assert script.objective(weights + 1e-2 * step, features, late)[0] > value
        slope = (
            script.objective(step + 1e-6, features, late)[0] - script.objective(step - 1e-6, features, late)[0]
        ) / 2e-6
        assert slope == pytest.approx(script.objective(step, features, late)[1].sum(), rel=1e-6)


def test_the_design_knows_nothing_of_the_flight_itself(script):
    import pandas as pd

    known = {name: ["a", "b", "a"] for name in ("carrier", "origin", "dest")}
    known |= {name: [1, 2, 1] for name in ("month", "hour", "weekday", "distance")}
    known |= {name: [1.0, np.nan, 3.0] for name in script.WEATHER}
    features = script.design(pd.DataFrame(known))  # no delay and no arrival is there to be used
    np.testing.assert_allclose(features.power(2).mean(axis=0), 1)
    assert np.isfinite(features.toarray()).all()
