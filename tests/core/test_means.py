"""Exact totals and means of the losses of independent labels, and the gradient of the mean."""

import math

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..oracle import CORRECTLY_ROUNDED, DTYPES, bits

inf, nan = math.inf, math.nan


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_mean_and_grad(dtype):
    rng = np.random.default_rng(11)
    x = rng.normal(scale=4, size=(37, 41)).astype(dtype)
    z = rng.random((37, 41)).astype(dtype)
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    total = logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)
    exact = math.fsum(loss.astype(np.float64).ravel())
    assert total.compute() == exact
    assert total.count == x.size
    assert type(mean) is float
    assert mean == total.mean()
    assert abs(mean - exact / x.size) <= math.ulp(mean)
    assert gradient.dtype == dtype
    assert gradient.shape == x.shape
    for a, b, got in list(zip(x.flat, z.flat, gradient.flat, strict=True))[:300]:
        truth = oracle.gradient(a, b) / x.size
        if dtype in CORRECTLY_ROUNDED:
            assert got == oracle.nearest(truth, dtype)
        else:
            slack = 2.0**-56 * min(oracle.sigmoid(a), oracle.sigmoid(-a)) / x.size / oracle.unit(truth, dtype)
            assert oracle.ulps(got, truth, dtype) <= 1 + slack


def test_mean_and_grad_out_may_be_an_input():
    rng = np.random.default_rng(12)
    x, z = rng.normal(size=10_000).astype(np.float32), rng.random(10_000).astype(np.float32)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    for overlapping in (x.copy(), z.copy()):
        arguments = {"logits": x, "labels": z}
        arguments["logits" if (overlapping == x).all() else "labels"] = overlapping
        mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(**arguments, out=overlapping)
        assert gradient is overlapping
        assert mean == want[0]
        np.testing.assert_array_equal(gradient, want[1])
    memory = np.zeros(10_001, np.float32)  # the output one element further than the input
    memory[:-1] = x
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=memory[:-1], out=memory[1:])
    assert mean == want[0]
    np.testing.assert_array_equal(gradient, want[1])


def test_mean_of_nothing_and_of_no_number():
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=np.empty((0, 3)), logits=np.empty((0, 3)))
    assert math.isnan(mean)
    assert gradient.shape == (0, 3)
    for x, z, want in ((nan, 0.5, nan), (inf, 0.0, inf), (inf, 2.0, -inf)):
        mean, _ = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=[z, 0.5], logits=[x, 1.0])
        np.testing.assert_equal(mean, want)


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=str)
def test_losses_beyond_the_largest_number_and_without_one(dtype):
    every_bit = np.array(2**63 - 1).view(np.float64)  # a nan to which nothing can be added but a carry
    for label, want in ((-1e39, np.inf), (every_bit, np.nan)):
        logits, labels = np.full(8, 80, dtype), np.full(8, label)
        with np.errstate(all="ignore"):
            losses = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
        np.testing.assert_array_equal(losses.astype(np.float64), want)
        np.testing.assert_equal(logitloss.sigmoid_cross_entropy_total(labels=labels, logits=logits).compute(), want)


@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=str)
@pytest.mark.parametrize("n", [6000, 20_000, 300_000])
def test_a_gradient_is_divided_before_it_is_rounded(n, dtype):
    """Also where the quotient, or what is divided, is subnormal: blocks differ in the sizes of their logits."""
    rng = np.random.default_rng(6)
    sizes = np.resize(np.repeat([4, 9.6, 10.6, 12, 40, 70, 78, 82, 85, 89, 104], 512), n)
    x = (sizes * rng.uniform(0.98, 1, n) * rng.choice([-1, 1], n)).astype(dtype)
    z = np.where(rng.random(n) < 0.7, x > 0, x < 0).astype(dtype)  # mostly the small side of the sigmoid
    _, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    for size in np.unique(sizes):
        for i in np.flatnonzero(sizes == size)[: 150 if size < 10 else 9]:
            want = oracle.nearest(abs(oracle.gradient(x[i], z[i])) / n, dtype)
            np.testing.assert_array_equal(bits(gradient[i]), bits(-want if z[i] else want))
