"""The losses of independent labels: the documented examples, special values, every value against the definition."""

import math

import ml_dtypes
import numpy as np
import pytest

import logitloss

from .. import oracle
from ..edges import EDGES, LN2
from ..inputs import interesting_labels, interesting_logits
from ..oracle import CORRECTLY_ROUNDED, DTYPES, bits
from .support import all_results

inf = math.inf


# --- the documented examples -----------------------------------------------------------------------------------------


def test_documented_example():
    logits = np.float32([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = np.float32([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    correctly_rounded = [1.3132616, 0.3132617, 0.6931472, 0.3132617, 1.3132616, 0.6931472, 0.6931472]
    np.testing.assert_array_equal(got, np.float32(correctly_rounded))
    documented = np.float32([1.3132617, 0.3132617, 0.6931472, 0.3132617, 1.3132617, 0.6931472, 0.6931472])
    np.testing.assert_array_almost_equal_nulp(got, documented, 1)


def test_documented_equivalence():
    """With logits stacked on zeros the softmax losses are these too; the sigmoid's part."""
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=np.float32([1, 1, 0]), logits=np.float32([1, -1, 0]))
    np.testing.assert_array_equal(got, np.float32([0.3132617, 1.3132616, 0.6931472]))
    np.testing.assert_array_almost_equal_nulp(got, np.float32([0.31326166, 1.3132616, 0.6931472]), 1)


# --- special values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("x", "z", "loss", "gradient", "hessian"), EDGES)
def test_edges(x, z, loss, gradient, hessian, dtype):
    got = all_results(np.array([x], dtype), np.array([z], dtype))
    loss = oracle.mp.log(2) if loss is LN2 else loss
    hessian = oracle.hessian(x) if hessian is None else hessian
    for one, want in zip(got, (loss, gradient, hessian), strict=True):
        want = np.array(want, dtype) if isinstance(want, float) else oracle.nearest(want, dtype)
        assert bits(one)[0] == bits(want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_subnormal_logits(dtype):
    tiny = float(ml_dtypes.finfo(dtype).smallest_subnormal)
    x = np.array([tiny, -tiny, 8 * tiny, -8 * tiny], dtype)
    _, gradient, hessian = all_results(x, np.full(4, 0.5, dtype))
    assert (hessian == 0.25).all()
    np.testing.assert_array_equal(bits(gradient), bits(np.array([0.0, -0.0, 2 * tiny, -2 * tiny], dtype)))
    for z in (0.0, 0.5, 1.0, -1.0, 2.0):
        loss, gradient, _ = all_results(x, np.full(4, z, dtype))
        assert (loss == oracle.nearest(oracle.mp.log(2), dtype)).all()
        assert z == 0.5 or (gradient == 0.5 - z).all()


@pytest.mark.parametrize(
    ("x", "z", "loss", "gradient"),
    [
        (40, 0, 40.0, 1.0),
        (40, 0.5, 20.0, 0.5),
        (40, 1, 4.2483541e-18, -4.2483541e-18),
        (40, -1, 80.0, 2.0),
        (40, 2, -40.0, -1.0),
        (100, 0, 100.0, 1.0),
        (100, 0.5, 50.0, 0.5),
        (100, 1, 27 * 2.0**-149, -27 * 2.0**-149),
        (103, 1, 2.0**-149, -(2.0**-149)),
        (104, 1, 0.0, -0.0),
        (3e38, 0, 3e38, 1.0),
        (3e38, 0.5, 1.5e38, 0.5),
        (3e38, 1, 0.0, -0.0),
        (3e38, -1, inf, 2.0),
        (3e38, 2, -3e38, -1.0),
        (17, 1, 4.1399374e-8, -4.1399374e-8),
        (1e8, 1 - 2.0**-24, 5.9604645, 5.9604645e-8),
    ],
)
def test_tails_float32(x, z, loss, gradient):
    got = all_results(np.float32([x, -x]), np.float32([z, np.float32(1) - np.float32(z)]))
    np.testing.assert_array_equal(bits(got[0])[0], bits(np.float32(loss)))
    np.testing.assert_array_equal(bits(got[1])[0], bits(np.float32(gradient)))
    hessian = {40: 4.2483541e-18, 100: 27 * 2.0**-149, 103: 2.0**-149, 104: 0.0, 3e38: 0.0}.get(x)
    if hessian is not None:
        np.testing.assert_array_equal(bits(got[2]), bits(np.float32([hessian, hessian])))
    if np.float32(1) - np.float32(z) == 1 - z:  # the symmetry (x, z) -> (-x, 1 - z)
        np.testing.assert_array_equal(got[0][1], got[0][0])
        np.testing.assert_array_equal(got[1][1], -got[1][0])


def test_tails_float64():
    loss, gradient, hessian = all_results(np.array([744.0, 746.0, 36.0]), np.ones(3))
    np.testing.assert_array_equal(loss, [2 * 2.0**-1074, 0.0, 2.319522830243569e-16])
    np.testing.assert_array_equal(bits(gradient), bits(np.array([-2 * 2.0**-1074, -0.0, -2.3195228302435688e-16])))
    np.testing.assert_array_equal(hessian, [2 * 2.0**-1074, 0.0, 2.319522830243568e-16])


# --- every value against the definition ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_against_the_definition(dtype):
    rng = np.random.default_rng(20)
    x = interesting_logits(dtype, rng, 250)
    z = interesting_labels(x, dtype, rng)
    truths = [[oracle.loss(a, b) for a, b in zip(x, z, strict=True)]]
    truths.append([oracle.gradient(a, b) for a, b in zip(x, z, strict=True)])
    truths.append([oracle.hessian(a) for a in x])
    for kind, got, truth in zip(("loss", "gradient", "hessian"), all_results(x, z), truths, strict=True):
        if dtype in CORRECTLY_ROUNDED:
            want = np.array([oracle.nearest(t, dtype) for t in truth], dtype)
            wrong = np.flatnonzero(got != want)
            assert not wrong.size, (kind, x[wrong][:3], z[wrong][:3], got[wrong][:3], want[wrong][:3])
            continue
        for a, b, one, t in zip(x, z, got, truth, strict=True):
            if abs(t) < np.finfo(dtype).max:
                soft = kind == "gradient" and b not in (0, 1)
                slack = 2.0**-56 * min(oracle.sigmoid(a), oracle.sigmoid(-a)) / oracle.unit(t, dtype) if soft else 0
                assert oracle.ulps(one, t, dtype) <= (0.75 if kind == "loss" else 1.0) + slack, (kind, a, b)
                assert np.sign(one) == np.sign(float(oracle.mp.sign(t))) or abs(t) < 2.0**-1074


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=str)
@pytest.mark.parametrize("label", [-3.0, -1.0, 1.5, 2.0, 1e10])
def test_labels_outside_the_unit_interval(dtype, label):
    """The affine extension, correctly rounded also where its terms cancel."""
    rng = np.random.default_rng(4)
    x = rng.normal(scale=5, size=200).astype(dtype)
    z = np.full(200, min(label, float(ml_dtypes.finfo(dtype).max)), dtype)
    loss, gradient, _ = all_results(x, z)
    with np.errstate(over="ignore"):
        want = np.array([oracle.nearest(oracle.loss(a, b), dtype) for a, b in zip(x, z, strict=True)], dtype)
        slope = np.array([oracle.nearest(oracle.gradient(a, b), dtype) for a, b in zip(x, z, strict=True)], dtype)
    np.testing.assert_array_equal(loss, want)
    np.testing.assert_array_equal(gradient, slope)


@pytest.mark.parametrize("label_dtype", [np.float64, np.float16, oracle.BFLOAT16], ids=str)
def test_labels_count_at_their_full_precision(label_dtype):
    x = np.float32([1e8, -1e8, 20, -3.25])
    z = np.array([1 - 2.0**-40, 2.0**-40, 0.3, 0.7], label_dtype)
    loss, gradient, _ = all_results(x, z)
    assert loss.dtype == gradient.dtype == np.float32
    for i in range(4):
        assert loss[i] == oracle.nearest(oracle.loss(x[i], z[i]), np.float32)
        assert gradient[i] == oracle.nearest(oracle.gradient(x[i], z[i]), np.float32)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double has no more digits than double here")
def test_float32_bit_patterns():
    """A million logits of every bit pattern, hard labels: nothing beyond 0.5 ulp."""
    rng = np.random.default_rng(7)
    x = np.frombuffer(rng.bytes(4_000_000), np.float32)
    x = x[np.isfinite(x)]
    extended = x.astype(np.longdouble)
    with np.errstate(under="ignore"):
        u = np.exp(-abs(extended))
        p, softplus = u / (1 + u), np.log1p(u)
    for label in (0, 1):
        a = np.where(x > 0, 1 - label, -label)
        gradient = a - np.where(x > 0, p, -p)
        truths = (np.where(a == 0, 0, extended) * a + softplus, gradient, p * (1 - p))
        exact = (lambda i, z=label: oracle.loss(x[i], z), lambda i, z=label: oracle.gradient(x[i], z))
        exact = (*exact, lambda i: oracle.hessian(x[i]))
        for got, truth, definition in zip(all_results(x, np.full(x.shape, label, bool)), truths, exact, strict=True):
            exponent = np.maximum(np.frexp(truth)[1] - 1, -126)
            error = np.ldexp(abs(got - truth), 23 - exponent)
            assert (error <= 0.5 + 2.0**-30).all(), x[error.argmax()]
            for i in np.flatnonzero(error > 0.5 - 2.0**-30)[:50]:  # too near to a tie for long double
                assert got[i] == oracle.nearest(definition(i), np.float32)


# --- properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_symmetry_and_signs(dtype):
    rng = np.random.default_rng(5)
    x = interesting_logits(dtype, rng, 20_000)
    z = (rng.integers(0, 9, len(x)) / 8).astype(dtype)  # 1 - z is exact
    loss, gradient, hessian = all_results(x, z)
    mirrored = all_results(-x, (1 - z).astype(dtype))
    np.testing.assert_array_equal(loss, mirrored[0])
    np.testing.assert_array_equal(gradient, -mirrored[1])
    np.testing.assert_array_equal(hessian, mirrored[2])
    assert (loss >= 0).all()
    assert (hessian >= 0).all()
    assert (gradient[(z == 0)] >= 0).all()
    assert (gradient[(z == 1)] <= 0).all()


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=str)
def test_monotone(dtype):
    """The loss of a hard label is monotone in the logit, over neighbours."""
    patterns = np.arange(0x10000, dtype=np.uint16)
    x = patterns.view(dtype) if dtype.itemsize == 2 else np.nextafter(np.float32(-3), np.float32(9)) + np.zeros(1)
    if dtype == np.float32:
        x = (np.float32(-3.3).view(np.int32) - np.arange(100_000, dtype=np.int32)).view(np.float32)
    x = np.sort(x[np.isfinite(x.astype(np.float32))].astype(np.float64)).astype(dtype)
    for label, sign in ((0, 1), (1, -1)):
        loss = logitloss.sigmoid_cross_entropy_with_logits(labels=np.full(x.shape, label), logits=x)
        assert (sign * np.diff(loss.astype(np.float64)) >= 0).all()
