"""The softmax losses: the documented equivalence, special values, hard rows against the definition."""

import math

import numpy as np
import pytest
from proofs.claims import constant

import logitloss

from .. import oracle
from ..edges import SOFTMAX_EDGES
from ..inputs import hard_rows
from ..oracle import CORRECTLY_ROUNDED, DTYPES, bits, mp
from .support import DENSE, SPARSE

inf, nan = math.inf, math.nan
ROUNDED_BOUND, FLOAT64_LOSS, FLOAT64_GRADIENT = (
    constant("softmax_cross_entropy.h", f"softmax_{name}max_ulp") for name in ("", "float64_loss_", "float64_gradient_")
)


# --- the documented examples -----------------------------------------------------------------------------------------


def test_documented_equivalence():
    """sigmoid(x) = softmax([x, 0])[0]: three operations, one answer."""
    sigmoid_logits = np.float32([1, -1, 0])
    logits = np.stack([sigmoid_logits, np.zeros(3, np.float32)], axis=-1)
    soft = np.float32([1, 1, 0])
    want = np.float32([0.3132617, 1.3132616, 0.6931472])
    for got in (
        logitloss.sparse_softmax_cross_entropy_with_logits(labels=[0, 0, 1], logits=logits),
        logitloss.softmax_cross_entropy_with_logits(labels=np.stack([soft, 1 - soft], axis=-1), logits=logits),
        logitloss.sigmoid_cross_entropy_with_logits(labels=soft, logits=sigmoid_logits),
    ):
        np.testing.assert_array_equal(got, want)


def test_small_loss_and_absent_class():
    loss, gradient = SPARSE(labels=0, logits=np.float32([40, 0]))
    assert loss == np.float32(4.248354e-18)
    np.testing.assert_array_equal(gradient, np.float32([-4.248354e-18, 4.248354e-18]))
    got = logitloss.softmax_cross_entropy_with_logits(labels=[0, 1, 0], logits=np.float32([-inf, 1, 2]))
    assert got == np.float32(1.3132616)


# --- special values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("padding", [0, 5, 600, 1100], ids="padded by {}".format)
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), SOFTMAX_EDGES)
def test_edges(row, label, loss, gradient, dtype, padding):
    """Also far into a row of several segments, whose other classes are absent."""
    if math.isnan(loss) and padding and not any(v != v for v in row):
        gradient = [nan] * len(row)
    x = np.array([-inf] * padding + row + [-inf] * (padding // 2), dtype)
    hard = np.zeros(x.shape)
    hard[padding + label] = 1
    want = np.array(loss, dtype) if loss != math.log(2) else oracle.nearest(mp.log(2), dtype)
    for got in (SPARSE(labels=padding + label, logits=x), DENSE(labels=hard, logits=x)):
        assert bits(got[0]) == bits(want)
        np.testing.assert_array_equal(got[1][padding : padding + len(row)].astype(float), gradient)
        if not math.isnan(loss):
            assert not np.delete(got[1], np.s_[padding : padding + len(row)]).any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_far_below_in_one_segment_alone(dtype):
    """A nan there is found, though nothing else of its segment counts; a class there has no part."""
    x = np.zeros(5000, dtype)
    x[4500] = -2840  # 2^-4097: an exponent that ends as that of 1 does
    loss, gradient = SPARSE(labels=3, logits=x)
    assert loss == oracle.nearest(mp.log(4999), dtype)
    assert gradient[4500] == 0
    assert gradient[4499] == oracle.nearest(1 / mp.mpf(4999), dtype)
    x[:2100] = -2000
    assert SPARSE(labels=3000, logits=x)[0] == oracle.nearest(mp.log(2899), dtype)
    x[7] = nan
    assert math.isnan(SPARSE(labels=3000, logits=x)[0])


def test_labels_that_need_not_be_distributions():
    x = np.float64([1, 2, 3])
    loss, gradient = DENSE(labels=[0.0, 0.0, 0.0], logits=x)
    assert loss == 0
    assert not gradient.any()
    p = np.exp(x - 3) / np.exp(x - 3).sum()
    for z in ([1, 2, 3], [0.2, 0.1, 0.1], [True, True, False]):
        loss, gradient = DENSE(labels=z, logits=x)
        assert loss == pytest.approx(-np.dot(np.asarray(z, float), np.log(p)), rel=1e-14)
        np.testing.assert_allclose(gradient, np.sum(z) * p - z, rtol=1e-13)
    assert logitloss.softmax_cross_entropy_with_logits(labels=[nan, 1.0, 0.0], logits=x) != 0


# --- against the definition ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_hard_rows(dtype):
    rng = np.random.default_rng(0)
    bound, slope_bound = (
        (ROUNDED_BOUND, ROUNDED_BOUND) if dtype in CORRECTLY_ROUNDED else (FLOAT64_LOSS, FLOAT64_GRADIENT)
    )
    for values in hard_rows(dtype, rng):
        x = values.astype(dtype)
        n = len(x)
        for label in {0, n // 2, n - 1, int(np.argmax(x))}:
            hot = np.arange(n) == label
            got, slope = SPARSE(labels=label, logits=x)
            again = DENSE(labels=hot, logits=x)
            assert bits(got) == bits(again[0])
            np.testing.assert_array_equal(bits(slope), bits(again[1]))
            loss, gradient = oracle.softmax(x, hot)
            assert oracle.ulps(got, loss, dtype) <= bound, (values, label)
            some = {label, int(np.argmax(x)), *rng.integers(0, n, 8)}
            for j in some:
                assert oracle.ulps(slope[j], gradient[j], dtype) <= slope_bound, (values, label, j)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_soft_labels(dtype):
    rng = np.random.default_rng(1)
    for n in (2, 7, 64, 700):
        x = rng.normal(scale=6, size=n).astype(dtype)
        z = rng.dirichlet(np.full(n, 0.2))
        got, slope = DENSE(labels=z, logits=x)
        loss, gradient = oracle.softmax(x, z)
        assert oracle.ulps(got, loss, dtype) <= (ROUNDED_BOUND if dtype in CORRECTLY_ROUNDED else FLOAT64_LOSS)
        for j in range(min(n, 40)):
            size = max(abs(gradient[j]), mp.mpf(float(z[j])))  # the terms may cancel
            assert abs(mp.mpf(float(slope[j])) - gradient[j]) <= 4 * oracle.unit(size, dtype)


def test_many_classes():
    rng = np.random.default_rng(2)
    for n in (100_000, 2**17):
        x = rng.normal(scale=3, size=n).astype(np.float32)
        for label in (int(x.argmax()), 77):
            with mp.workprec(200):
                powers = [mp.exp(mp.mpf(float(v))) for v in x]
                rest = mp.fsum(powers) - powers[label]
                loss = mp.log1p(rest / powers[label])
            assert oracle.ulps(SPARSE(labels=label, logits=x)[0], loss, np.float32) <= ROUNDED_BOUND
    x[:] = -40
    x[5] = 0
    loss, gradient = SPARSE(labels=5, logits=x)
    want = mp.log1p((len(x) - 1) * mp.exp(-40))
    assert oracle.ulps(loss, want, np.float32) <= ROUNDED_BOUND
    assert abs(math.fsum(gradient.astype(float))) <= abs(gradient[5]) * 2**-22  # a row adds to 0
