"""The loss with a weight of positive labels: against the definition, special values, shapes."""

import math

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..inputs import interesting_labels, interesting_logits
from ..oracle import CORRECTLY_ROUNDED, DTYPES, bits

inf, nan = math.inf, math.nan


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weighted_against_the_definition(dtype):
    rng = np.random.default_rng(9)
    x = interesting_logits(dtype, rng, 60)
    z = interesting_labels(x, dtype, rng)
    w = rng.choice([0.0, 0.5, 1.0, 3.0, 7.3, 1e-3], len(x))
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    assert got.dtype == dtype
    for i in range(len(x)):
        truth = oracle.loss(x[i], z[i], w[i])
        if dtype in CORRECTLY_ROUNDED:
            assert got[i] == oracle.nearest(truth, dtype), (x[i], z[i], w[i])
        elif abs(truth) < np.finfo(dtype).max:
            assert oracle.ulps(got[i], truth, dtype) <= 0.75, (x[i], z[i], w[i])


@np.errstate(over="ignore")  # of the oracle's largest
@pytest.mark.parametrize("dtype", CORRECTLY_ROUNDED, ids=str)
def test_weighted_labels_may_lie_anywhere(dtype):
    rng = np.random.default_rng(11)
    x = interesting_logits(dtype, rng, 60)
    z = rng.choice([-3.0, -0.25, -1e-3, 1 + 2.0**-40, 1.5, 2.5, 1e3], len(x))
    w = rng.choice([0.0, 0.5, 3.0, 7.3, 1e-3], len(x))
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    for i in range(len(x)):
        assert got[i] == oracle.nearest(oracle.loss(x[i], z[i], w[i]), dtype), (x[i], z[i], w[i])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_weight_one_is_the_unweighted_loss(dtype):
    rng = np.random.default_rng(10)
    x = interesting_logits(dtype, rng, 2000)
    z = interesting_labels(x, dtype, rng)
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=1)
    np.testing.assert_array_equal(bits(got), bits(logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)))


def test_weighted_edges():
    x = np.float32([0, inf, inf, -inf, -inf, -inf, nan, 17])
    z = np.float32([1, 1, 0, 0, 1, 1, 1, 1])
    w = np.array([3.0, 3, 3, 3, 3, 0, 3, 3])
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    np.testing.assert_array_equal(got, np.float32([3 * math.log(2), 0, inf, 0, inf, 0, nan, 1.2419812e-7]))


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 1), (2, 3)])
def test_pos_weight_broadcasts(shape):
    rng = np.random.default_rng(0)
    x, z, w = rng.normal(size=(2, 3)), rng.random((2, 3)), rng.random(shape)
    got = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    full = logitloss.weighted_cross_entropy_with_logits(
        labels=z, logits=x, pos_weight=np.broadcast_to(w, (2, 3)).copy()
    )
    np.testing.assert_array_equal(got, full)
