"""The definition and the meter against the oracle, and the zones."""

import doctest
import math

import ml_dtypes
import numpy as np
import pytest

import logitloss.accuracy
from logitloss.accuracy import ZONES, Truth, truths, ulp_errors
from logitloss.accuracy.definition import loss_and_gradient
from logitloss.accuracy.meter import FORMATS
from logitloss.accuracy.zones import draw

from .. import oracle
from ..oracle import CORRECTLY_ROUNDED, DTYPES, mp

RNG = np.random.default_rng(3)
NAMES = [dtype.name for dtype in DTYPES]


def value(dyadic):
    return mp.mpf(dyadic[0]) * mp.mpf(2) ** dyadic[1]


def float64_pairs():
    """Logits over all bit patterns below 1000 in size, plain ones, and pairs next to the root of the gradient."""
    bits = RNG.integers(0, 2**64, 300, dtype=np.uint64).view(np.float64)
    x = np.concatenate([bits[np.abs(bits) < 1000], RNG.uniform(-800, 800, 150), RNG.uniform(-3, 3, 150)])
    yield from zip(x, RNG.random(len(x)), strict=True)
    yield from zip(x, RNG.integers(0, 2, len(x)).astype(float), strict=True)
    yield from zip(*(v[:300] for v in draw("root of gradient", "float64", 600)), strict=True)
    yield from ((x, z) for x in (0.0, -0.0, 5e-324, -1e-300, 2.0**-64, 1e-19, 709.0) for z in (0.0, 0.5, 1.0, 1 / 3))


# --- the definition --------------------------------------------------------------------------------------------------


def test_the_definition_is_as_close_as_it_claims():
    for x, z in float64_pairs():
        loss, gradient = loss_and_gradient(float(x), float(z))
        a = (1 - mp.mpf(z)) if x > 0 else -mp.mpf(z)
        largest = max(abs(mp.mpf(x) * a), oracle.softplus(-abs(mp.mpf(x))))
        assert abs(value(loss) - oracle.loss(x, z)) <= mp.mpf(2) ** -230 * largest, (x, z)
        largest = max(abs(a), oracle.sigmoid(-abs(mp.mpf(x))))
        assert abs(value(gradient) - oracle.gradient(x, z)) <= mp.mpf(2) ** -230 * largest, (x, z)


def test_the_definition_keeps_the_digits_of_tiny_gradients():
    """sigmoid(x) - 1/2 is x/4: for tiny logits all of it lies behind the digits of 1/2."""
    for x in (5e-324, -3e-310, 1e-200, 2.0**-63, 2.0**-64, 1e-18):
        truth = oracle.gradient(x, 0.5)
        assert abs(value(loss_and_gradient(x, 0.5)[1]) - truth) <= mp.mpf(2) ** -160 * abs(truth)


@pytest.mark.parametrize("x", [1e4, -1e4, 1.7e308, -1.7e308])
def test_the_definition_far_out(x):
    """The small side still has a sign and no longer a size."""
    (n, e), gradient = loss_and_gradient(x, float(x > 0))
    assert n > 0
    assert n.bit_length() + e < -7000
    assert gradient[0] * x < 0
    assert value(loss_and_gradient(x, float(x < 0))[0]) - abs(mp.mpf(x)) < mp.mpf(2) ** -7000


# --- the meter -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
def test_the_meter_agrees_with_the_oracle(dtype):
    x, z = (np.concatenate([draw(zone, dtype.name, 60)[i] for zone in ZONES]) for i in (0, 1))
    loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    for truth, values, definition in zip(truths(x, z), (loss, gradient), (oracle.loss, oracle.gradient), strict=True):
        wrong = (values.astype(np.float64) * RNG.choice([1, 1 + 2.0**-8, 2, 0, -1], len(values))).astype(dtype)
        for computed in (values, wrong):
            expected = [oracle.ulps(y, definition(*pair), dtype) for y, *pair in zip(computed, x, z, strict=True)]
            np.testing.assert_allclose(ulp_errors(computed, truth), expected, rtol=2.0**-51, atol=2.0**-53)


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
def test_neighbours_of_the_best_result_are_more_than_half_a_unit_off(dtype):
    x, z = draw("soft, |x| < 20", dtype.name, 300)
    for truth, values in zip(
        truths(x, z), logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x), strict=True
    ):
        bits = values.view(f"i{dtype.itemsize}")
        for step in (-1, 1):
            assert ulp_errors((bits + step).astype(bits.dtype).view(dtype), truth).min() >= 0.25  # below a power of 2


@pytest.mark.parametrize(
    ("computed", "whole", "error"),
    [
        (0.0, 2.0**23 + 5, 2.0**23 + 5),
        (3 * 2.0**-149, 0.0, 3.0),
        (-0.0, 0.0, 0.0),
        (np.inf, np.inf, 0.0),
        (-np.inf, np.inf, np.inf),
        (3e38, np.inf, np.inf),
        (np.inf, 2.0**23, np.inf),
        (-np.inf, 2.0**23, np.inf),
        (np.nan, np.nan, 0.0),
        (1.0, np.nan, np.inf),
        (np.nan, 1.0, np.inf),
        (np.nan, np.inf, np.inf),
        (np.inf, np.nan, np.inf),
    ],
)
def test_errors_at_zeros_infinities_and_nan(computed, whole, error):
    truth = Truth(np.array([whole]), np.array([0.0]), np.array([-149], np.int32))
    assert ulp_errors(np.float32([computed]), truth) == [error]


def test_an_error_beyond_float64_is_infinite():
    truth = Truth(np.array([0.0]), np.array([0.0]), np.array([-1074], np.int32))
    assert ulp_errors(np.array([1e-8]), truth) == [np.inf]


@pytest.mark.parametrize(
    ("x", "z", "loss", "gradient"),
    [
        (np.inf, 1, 0, 0),
        (np.inf, 0.25, np.inf, 0.75),
        (np.inf, 2, -np.inf, -1),
        (-np.inf, 0, 0, 0),
        (-np.inf, 0.25, np.inf, -0.25),
        (-np.inf, -1, -np.inf, 1),
        (np.nan, 1, np.nan, np.nan),
        (3, np.nan, np.nan, np.nan),
        (0, 0.5, math.log(2), 0),
    ],
)
@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
def test_truths_at_the_edges(x, z, loss, gradient, dtype):
    for truth, expected in zip(truths(np.array([x], dtype), np.array([z], dtype)), (loss, gradient), strict=True):
        np.testing.assert_allclose(truth.value(), expected, rtol=1e-16)
        assert ulp_errors(np.array([expected], dtype), truth) <= 0.5


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=NAMES[:-1])
def test_a_truth_beyond_the_format_rounds_to_infinity_as_results_do(dtype):
    """At the largest logit with label -h the loss is (1 + h) times as large; half a unit decides."""
    largest = float(ml_dtypes.finfo(dtype).max)
    half = 2.0 ** -(FORMATS[dtype.name].digits + 1)
    x = np.full(3, largest, dtype)
    truth, _ = truths(x, np.array([-half * 0.99, -half * 1.01, -1.0]))
    assert (np.isinf(truth.whole) == [False, True, True]).all()
    assert ulp_errors(np.array([largest, np.inf, np.inf], dtype), truth).max() <= 0.5


# --- the zones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=NAMES)
@pytest.mark.parametrize("zone", ZONES)
def test_zones(zone, dtype):
    x, z = draw(zone, dtype.name, 400)
    again = draw(zone, dtype.name, 400)
    assert (x == again[0]).all()
    assert (z == again[1]).all()
    assert x.dtype == z.dtype == dtype
    assert 100 < len(x) == len({*zip(x.tolist(), z.tolist(), strict=True)}) <= 400
    assert np.isfinite(x.astype(float)).all()
    assert ((z >= 0) & (z <= 1)).all()
    assert (x > 0).any()
    assert (x < 0).any()
    if zone.startswith(("hard", "tails")):
        assert {*z.tolist()} == {0, 1}
    if "< " in zone:
        bound = float(zone.partition("< ")[2])
        assert bound * 0.9 < np.abs(x.astype(float)).max() <= bound


def test_the_tails_reach_the_subnormals_and_beyond():
    for name, form in FORMATS.items():
        losses = truths(*draw("tails", name, 1000))[0]
        subnormal = (losses.unit == form.least) & (np.abs(losses.whole) < 2.0 ** (form.digits - 1))
        assert (subnormal & (losses.whole > 0)).any()
        assert (subnormal & (losses.whole + losses.fraction < 0.5)).any()


def test_near_the_root_most_digits_cancel():
    for name, form in FORMATS.items():
        x, z = draw("root of gradient", name, 1000)
        gradients = np.abs(truths(x, z)[1].value())
        assert np.median(gradients / z.astype(float).clip(1e-300)) < 2.0 ** (2 - form.digits)


def test_the_example_of_the_package():
    assert doctest.testmod(logitloss.accuracy) == (0, 6)
