"""The accumulator: its sums against exact fractions, and the same bits however the rows come."""

import math
import pickle
import threading
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import logitloss
from logitloss.evaluate import State


def rows(n=500, seed=0, dtype=np.float32, weighted=False):
    r = np.random.default_rng(seed)
    logits = (r.normal(size=n) * np.exp(r.uniform(-20, 5, n))).astype(dtype)
    labels = r.random(n) < 0.3
    return labels, logits, np.exp(r.normal(size=n)) if weighted else None


def exact(values):
    return sum(map(Fraction, np.asarray(values, np.float64).tolist()), Fraction(0))


def fed(labels, logits, weights, parts):
    """The state of the rows, an update for each part, every other part merged."""
    state = State()
    for i, part in enumerate(parts):
        args = labels[part], logits[part], None if weights is None else weights[part]
        state = State().update(*args).merge(state) if i % 2 else state.update(*args)
    return state


def everything(state):
    return state.compute(), state.bins(), state.losses()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_score_is_that_of_exact_sums(dtype, weighted):
    labels, logits, weights = rows(dtype=dtype, weighted=weighted)
    got = State().update(labels, logits, weights).compute()
    logits = logits.astype(np.promote_types(dtype, np.float32))  # float16 has losses in float32
    loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)
    w = np.ones(len(labels)) if weights is None else weights
    total = exact(w)
    products = w * loss.astype(np.float64)
    mean = exact(products) / total
    assert (got.rows, got.weight) == (len(labels), float(total))
    assert got.mean_loss == float(mean)
    assert got.mean_label == float(exact(w * labels) / total)
    assert got.mean_probability == float((exact(w * labels) + exact(w * gradient.astype(np.float64))) / total)
    squares = exact(products * products) - 2 * mean * exact(w * products) + mean**2 * exact(w * w)
    assert got.standard_error == math.sqrt(squares * len(labels) / (len(labels) - 1) / total**2)
    assert got.skill == 1 - got.mean_loss / got.base_loss


def test_the_standard_error_is_the_textbook_s():
    labels, logits, _ = rows()
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits).astype(np.float64)
    got = State().update(labels, logits).compute().standard_error
    assert got == pytest.approx(loss.std(ddof=1) / math.sqrt(len(loss)), rel=1e-12, abs=0)
    # Nothing is lost where the losses hardly differ: two of them, one unit in the last place apart.
    x = np.float32([0.5, np.nextafter(np.float32(0.5), np.float32(1))])
    a, b = logitloss.sigmoid_cross_entropy_with_logits(labels=np.zeros(2), logits=x).astype(np.float64)
    assert a != b
    assert State().update(np.zeros(2), x).compute().standard_error == abs(a - b) / 2
    assert State().update(labels[:1], logits[:1]).compute().standard_error is math.nan


def test_equal_weights_change_nothing_and_weights_of_rows_are_repetitions():
    labels, logits, _ = rows()
    plain, threes = State().update(labels, logits), State().update(labels, logits, np.full(len(labels), 3.0))
    for name in ("mean_loss", "base_loss", "skill", "mean_label", "mean_probability", "rows"):
        assert getattr(plain.compute(), name) == getattr(threes.compute(), name)
    times = np.arange(len(labels)) % 4
    repeated = State().update(np.repeat(labels, times), np.repeat(logits, times)).compute()
    weighted = State().update(labels, logits, times).compute()
    assert (weighted.mean_loss, weighted.weight) == (repeated.mean_loss, repeated.rows)
    assert weighted.rows == len(labels)


def test_a_row_of_no_weight_adds_nothing_but_itself():
    labels, logits, weights = rows(weighted=True)
    want = State().update(labels, logits, weights)
    got = State().update(labels, logits, weights)
    got.update(np.array([True, False]), np.float32([-np.inf, 3]), np.zeros(2))
    assert got.compute().rows == want.compute().rows + 2
    assert got.compute().mean_loss == want.compute().mean_loss
    assert got.compute().standard_error == pytest.approx(want.compute().standard_error, rel=1e-2)
    nothing = State().update(np.array([True]), np.float32([1]), np.zeros(1)).compute()
    assert (nothing.rows, nothing.weight) == (1, 0)
    assert math.isnan(nothing.mean_loss)
    assert math.isnan(State().compute().mean_loss)


@pytest.mark.parametrize("weighted", [False, True])
def test_bins_hold_the_rows_of_their_interval(weighted):
    labels, logits, weights = rows(5000, weighted=weighted)
    logits[:4] = [16, -16, np.inf, -np.inf]
    labels[:4] = [False, True, True, False]
    bins = State().update(labels, logits, weights).bins()
    assert (bins.lower[0], bins.upper[-1]) == (-np.inf, np.inf)
    assert (bins.upper[0], bins.lower[-1]) == (-16, 16)
    assert (np.diff(bins.lower) > 0).all()
    loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)
    w = np.ones(len(labels)) if weights is None else weights
    for i, (lower, upper) in enumerate(zip(bins.lower, bins.upper, strict=True)):
        inside = (logits >= lower) & ((logits < upper) | (upper == np.inf))
        assert bins.rows[i] == np.count_nonzero(inside) > 0
        assert bins.weight[i] == float(exact(w[inside]))
        assert bins.loss[i] == float(exact(w[inside] * loss[inside].astype(np.float64)))
        assert bins.labels[i] == float(exact(w[inside] * labels[inside]))
        predicted = exact(w[inside] * labels[inside]) + exact(w[inside] * gradient[inside].astype(np.float64))
        assert bins.probability[i] == float(predicted)
    assert bins.rows.sum() == len(labels)


def test_an_infinite_loss_is_one_in_its_bin_too():
    bins = State().update(np.array([1, 0, 1]), np.float32([-np.inf, 0, 0])).bins()
    assert bins.loss.tolist()[0] == math.inf
    assert math.isfinite(bins.loss[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_losses_are_counted_by_powers_of_two(dtype):
    labels, logits, _ = rows(3000, dtype=dtype)
    logits[:3] = [-np.inf, np.inf, 60000]
    losses = State().update(labels, logits).losses()
    logits = logits.astype(np.promote_types(dtype, np.float32))
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    for lower, upper, count in zip(losses.lower, losses.upper, losses.rows, strict=True):
        assert count == np.count_nonzero((loss >= lower) & ((loss < upper) | (upper == np.inf)))
    assert losses.rows.sum() == len(labels)
    assert losses.lower[0] == 0
    assert len(State().losses().rows) == 0


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_order_and_split_gives_the_same_bits(data):
    n = data.draw(st.integers(1, 60))
    dtype = data.draw(st.sampled_from([np.float16, np.float32, np.float64]))
    logits = np.array(
        data.draw(st.lists(st.floats(width=np.finfo(dtype).bits, allow_nan=False), min_size=n, max_size=n))
    )
    labels = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0, 0.5, 1e-300]), min_size=n, max_size=n)))
    weights = data.draw(st.none() | st.lists(st.floats(0, 1e100), min_size=n, max_size=n))
    logits, weights = logits.astype(dtype), None if weights is None else np.array(weights)
    order = np.array(data.draw(st.permutations(range(n))))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=5)))
    whole = State().update(labels, logits, weights)
    other = fed(labels, logits, weights, np.split(order, cuts))
    assert other == whole
    assert repr(everything(other)) == repr(everything(whole))
    assert State.from_arrow(other.to_arrow()) == whole


@pytest.mark.parametrize("classes", [None, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_state_survives_arrow_pickle_and_reset(classes, weighted):
    labels, logits, weights = rows(weighted=weighted)
    if classes:
        logits = np.random.default_rng(1).normal(size=(len(labels), classes))
        labels = np.arange(len(labels)) % classes
    state = State().update(labels, logits, weights)
    assert State.from_arrow(state.to_arrow()).compute() == state.compute()
    assert pickle.loads(pickle.dumps(state)) == state
    assert state != State().update(labels[1:], logits[1:], weights if weights is None else weights[1:])
    assert state != 3
    assert state.reset() == State()
    assert State.from_arrow(State().to_arrow()) == State()


def test_any_engine_may_add_the_limbs():
    labels, logits, weights = rows(weighted=True)
    parts = [State().update(labels[i::7], logits[i::7], weights[i::7]).to_arrow() for i in range(7)]
    together = pa.concat_tables(parts)
    assert [field.type for field in together.schema] == [pa.string(), pa.int64(), pa.int64(), pa.int64()]
    added = (
        together.group_by(["sum", "index", "limb"]).aggregate([("value", "sum")]).rename_columns({"value_sum": "value"})
    )
    whole = State().update(labels, logits, weights)
    assert added.num_rows < together.num_rows / 1.5
    assert State.from_arrow(added) == State.from_arrow(together) == whole
    assert everything(State.from_arrow(added)) == everything(whole)
    assert max(abs(value) for value in whole.to_arrow()["value"].to_pylist()) < 2**32  # so that 2^31 may be added


def test_several_threads_may_feed_one_state():
    labels, logits, _ = rows(40_000)
    state, parts = State(), np.array_split(np.arange(len(labels)), 64)
    threads = [threading.Thread(target=state.update, args=(labels[part], logits[part])) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state == State().update(labels, logits)


def test_squares_beyond_float64_make_the_error_infinite():
    got = State().update(np.zeros(2), np.array([1e200, 1.0])).compute()
    assert got.mean_loss == 5e199
    assert got.standard_error == math.inf
    assert math.isnan(State().update(np.ones(2), np.array([-math.inf, 1.0])).compute().standard_error)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("where", [0.0, -15.9, 15.9, 40.0])
def test_the_sums_of_one_interval_are_exact_over_many_rows(dtype, where):
    """Both labels in one interval, where their losses differ by up to 2^57, over more rows than one pass takes."""
    r = np.random.default_rng(7)
    logits = (where + r.uniform(0, 0.09, 100_000)).astype(dtype)
    labels = r.random(len(logits)) < 0.5
    state = State().update(labels, logits)
    loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)
    total, residual = logitloss.ExactSum(loss), logitloss.ExactSum(gradient)
    limbs = {f"{name}.{column}": 0 for name in ("all", "bin") for column in ("loss", "residual")}
    for row in state.to_arrow().to_pylist():
        if row["sum"] in limbs:
            limbs[row["sum"]] += row["value"] << 32 * row["limb"]
    assert limbs["all.loss"] == limbs["bin.loss"] == total._total
    assert limbs["all.residual"] == limbs["bin.residual"] == residual._total
