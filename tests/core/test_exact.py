"""ExactSum equals math.fsum, whatever the order, the split or the dtype."""

import copy
import math
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import logitloss
from logitloss import _core

from .. import oracle

floats = st.floats(allow_nan=False, allow_infinity=False, width=64)


def fsum(values):
    try:
        return math.fsum(values)
    except OverflowError:  # beyond the largest float64, or an intermediate sum was: the exact sum says which
        total = sum(int(oracle.mp.mpf(v) * oracle.mp.mpf(2) ** 1074) for v in map(float, values))
        try:
            return total / (1 << 1074)
        except OverflowError:
            return math.inf if total > 0 else -math.inf


@given(st.lists(floats, max_size=60), st.randoms())
def test_any_order_and_split(values, random):
    want = logitloss.ExactSum(values)
    assert want.compute() == fsum(values)
    assert want.count == len(values)
    shuffled = random.sample(values, len(values))
    cut = random.randint(0, len(values))
    merged = logitloss.ExactSum(shuffled[:cut]) + logitloss.ExactSum(shuffled[cut:])
    assert merged == want
    one_by_one = logitloss.ExactSum()
    for value in shuffled:
        one_by_one.update(value)
    assert one_by_one == want


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0, 1e5, 1e300])
@pytest.mark.parametrize("sizes", [(1,), (511, 512, 513), (100_003,)])
def test_long_arrays(scale, sizes):
    """The blocks' fast path, its limits on both sides, and the values in between."""
    rng = np.random.default_rng(3)
    for size in sizes:
        values = rng.normal(scale=scale, size=size) * 10.0 ** -rng.integers(0, 60, size)
        assert logitloss.ExactSum(values).compute() == math.fsum(values)
        assert logitloss.ExactSum(-values[::-1]).compute() == -math.fsum(values)


def test_limits_of_the_fast_path():
    edge = 2.0**14
    for value in (edge, math.nextafter(edge, 0), -edge, 2.0**-120, 2.0**-121, 2.0**-1074, edge - 2.0**-38):
        values = [value] * 1024 + [1.0]
        assert logitloss.ExactSum(values).compute() == math.fsum(values)


@pytest.mark.parametrize("dtype", oracle.DTYPES, ids=str)
@pytest.mark.parametrize("largest", [2.0**-60, 1.0, 2.0**14, 2.0**15, 2.0**40, 1e30, math.inf])
def test_a_block_is_the_sum_of_its_values(dtype, largest):
    """Whichever way its values take, that of losses or that of any numbers, it adds what they add one by one."""
    rng = np.random.default_rng(4)
    x = (largest if largest < math.inf else 1.0) * (1 + rng.random(700))
    x[::99] = largest
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    total = logitloss.sigmoid_cross_entropy_total(labels=np.zeros(700), logits=x)
    one_by_one, values = logitloss.ExactSum(), logitloss.ExactSum()
    for loss, value in zip(logitloss.sigmoid_cross_entropy_with_logits(labels=np.zeros(700), logits=x), x, strict=True):
        one_by_one.update(loss)
        values.update(value)
    assert total == one_by_one
    assert logitloss.ExactSum(x) == values


def test_cancellation_and_extremes():
    largest = np.finfo(np.float64).max
    assert logitloss.ExactSum([1e308, 1.0, -1e308]).compute() == 1.0
    assert logitloss.ExactSum([largest] * 4 + [-largest] * 3).compute() == largest
    assert logitloss.ExactSum([largest] * 2).compute() == math.inf
    assert logitloss.ExactSum([-largest] * 2).compute() == -math.inf
    assert logitloss.ExactSum([largest] * 2).mean() == largest
    assert logitloss.ExactSum([2.0**-1074] * 3).compute() == 3 * 2.0**-1074
    assert logitloss.ExactSum([2.0**-1074, 0.0]).mean() == 0.0  # a tie, to even


@pytest.mark.parametrize("dtype", [*oracle.DTYPES, *map(np.dtype, "?bBhHiIqQ")], ids=str)
def test_every_dtype(dtype):
    rng = np.random.default_rng(2)
    values = rng.integers(0, 2 if dtype.kind == "b" else 100, 3001).astype(dtype)
    if dtype in oracle.DTYPES:
        values = (values.astype(np.float64) / 7).astype(dtype)
    want = math.fsum(values.astype(np.float64))
    assert logitloss.ExactSum(values).compute() == want
    assert logitloss.ExactSum(values[::-2]).compute() == math.fsum(values[::-2].astype(np.float64))
    assert logitloss.ExactSum(values.reshape(1, -1, 1)).compute() == want


def test_integers_count_as_floats():
    values = np.array([2**53 + 1, -(2**53), 2**63 - 1])
    assert logitloss.ExactSum(values).compute() == math.fsum(values)


def test_values_without_a_number():
    total = logitloss.ExactSum([1.0, math.inf, 2.0])
    assert (total.compute(), total.mean(), total.count) == (math.inf, math.inf, 3)
    total.update([-math.inf])
    assert math.isnan(total.compute())
    total = logitloss.ExactSum([math.nan, math.nan, -math.inf, math.inf, math.inf])
    assert (total.nan_count, total.neginf_count, total.posinf_count, total.count) == (2, 1, 2, 5)
    assert math.isnan(total.mean())
    many = logitloss.ExactSum(np.tile([math.nan, math.inf, -math.inf, -math.inf], 1 << 20))  # of several threads
    assert (many.nan_count, many.posinf_count, many.neginf_count) == (1 << 20, 1 << 20, 1 << 21)


def test_empty():
    total = logitloss.ExactSum()
    assert (total.compute(), total.count) == (0.0, 0)
    assert math.isnan(total.mean())
    assert logitloss.ExactSum([]) == total


def test_mean_rounds_once():
    values = [1.0, 2.0**-53, 2.0**-106]  # the rounded sum divided by 3 would be another number
    assert logitloss.ExactSum(values).mean() == oracle.nearest(sum(map(oracle.mp.mpf, values)) / 3, np.float64)


@given(st.lists(st.tuples(floats, st.sampled_from([0.0, 1.0, 0.3, 2.0])), max_size=9), st.integers(0, 2**63 - 1))
@example([(1.5e308, 2.0), (1.5e308, 2.0)], 1)  # -inf
@example([(1.5e308, 2.0), (1.5e308, 2.0)], 2)
@example([(-744.0, 0.0)], 3)  # subnormal
@example([(-745.0, 0.0)], 2)  # half of the smallest, a tie
@example([(-745.0, 0.0)] * 3, 2)  # the other tie
@example([(math.inf, 0.0)], 7)
@example([(math.inf, 2.0), (math.inf, 0.0)], 7)
@example([(math.nan, 0.0)], 7)
def test_the_means_of_the_core_are_these(pairs, count):
    """The core divides by itself where a sum is wanted as a number only: with the very bits of Python's division."""
    x, z = np.array(pairs, np.float64).reshape(-1, 2).T.copy()
    float64 = _core.types.index("float64")
    got = _core.sigmoid_cross_entropy_mean_at(x.ctypes.data, z.ctypes.data, 0, len(x), float64, float64, 1.0, count)
    with np.errstate(over="ignore"):
        want = logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)._rounded(count)
    np.testing.assert_array_equal(oracle.bits(np.float64(got)), oracle.bits(np.float64(want)))


@given(st.lists(st.lists(floats, max_size=5), min_size=1, max_size=5))
def test_limbs_add_up(parts):
    """The columns may be added by any engine."""
    limbs = sum(logitloss.ExactSum(part).to_limbs() for part in parts)
    assert limbs.dtype == np.int64
    assert limbs.shape == (72,)
    whole = logitloss.ExactSum([value for part in parts for value in part])
    assert logitloss.ExactSum.from_limbs(limbs) == whole
    assert logitloss.ExactSum.from_limbs(whole.to_limbs()) == whole


def test_limbs_hold_32_bits_and_signs():
    total = logitloss.ExactSum([-1.5, 1e300, math.nan, math.inf, -math.inf])
    limbs = total.to_limbs()
    assert (limbs[:67] >= 0).all()
    assert (limbs[:68] < 2**32).all()
    negative = logitloss.ExactSum([-(2.0**-1074)]).to_limbs()
    assert (negative[:67] == 2**32 - 1).all()
    assert negative[67] == -1
    many = negative * (2**31)  # the largest sum that is promised
    assert logitloss.ExactSum.from_limbs(many).compute() == -(2.0**-1043)


def test_operators():
    one, two = logitloss.ExactSum([1.0]), logitloss.ExactSum([2.0])
    assert (one + two).compute() == 3.0
    assert sum([one, two]) == one + two
    assert (one.compute(), two.compute()) == (1.0, 2.0)  # untouched
    assert one.merge(two) is one
    assert one.compute() == 3.0
    assert one != two
    assert one != 3.0
    assert repr(one) == "ExactSum(total=3.0, count=2)"
    assert one.reset() == logitloss.ExactSum()
    with pytest.raises(TypeError):
        one + 1.0
    with pytest.raises(TypeError):
        1 + one
    with pytest.raises(TypeError, match="unhashable"):
        hash(one)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))])
def test_copies(copied):
    total = logitloss.ExactSum([1.0, math.nan, 1e-300])
    twin = copied(total)
    assert twin == total
    twin.update([1.0])
    assert twin != total


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: logitloss.ExactSum().update(["a"]), TypeError, "values must be a float of at most 64 bits"),
        (lambda: logitloss.ExactSum(np.complex128(1)), TypeError, "got dtype complex128"),
        (lambda: logitloss.ExactSum(np.longdouble([1])), TypeError, "got dtype float128"),
        (
            lambda: logitloss.ExactSum([[1.0], [1.0, 2.0]]),
            ValueError,
            "values must be an array or a rectangular nesting",
        ),
        (
            lambda: logitloss.ExactSum(pd.Series([1.0])),
            TypeError,
            r"values must be a NumPy array or a list, got pandas.*Series. Convert it with numpy.asarray.",
        ),
        (
            lambda: logitloss.ExactSum().merge(1.0),
            TypeError,
            r"other must be an ExactSum, got float. Use update\(\) to add numbers.",
        ),
        (
            lambda: logitloss.ExactSum.from_limbs(np.zeros(3, int)),
            ValueError,
            r"limbs must be 72 integers, got shape \(3,\)",
        ),
        (
            lambda: logitloss.ExactSum.from_limbs(np.zeros(72)),
            ValueError,
            r"dtype float64. Pass what to_limbs\(\) returned, or a sum of such arrays.",
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call()
