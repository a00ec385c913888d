"""The formulas in array operations, with NumPy's, against the definition: the bounds, special values, derivatives."""

import math

import numpy as np
import pytest

from logitloss import _formulas as formulas

from .. import oracle
from ..bounds import FLOATS, assert_sigmoid_bounds, assert_softmax_bounds
from ..edges import EDGES, LN2, SOFTMAX_EDGES
from ..oracle import mp

inf, nan = math.inf, math.nan


def with_numpy(formula, *arrays):
    with np.errstate(all="ignore"):
        return formula(np, *arrays)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bounds(dtype):
    assert_sigmoid_bounds(with_numpy, dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_softmax_bounds(dtype):
    assert_softmax_bounds(with_numpy, dtype)


@pytest.mark.parametrize("lose", [1 - 2.0**-20, 1 + 2.0**-20])
@pytest.mark.parametrize("check", [assert_sigmoid_bounds, assert_softmax_bounds])
def test_the_bounds_can_be_missed(check, lose):
    with pytest.raises(AssertionError):
        check(lambda formula, *arrays: with_numpy(formula, *arrays) * np.float32(lose), FLOATS[0])


# --- special values --------------------------------------------------------------------------------------------------


def assert_edge(got, want, dtype):
    np.testing.assert_array_equal(got, np.array(math.log(2) if want is LN2 else want, dtype))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("x", "z", "loss", "gradient", "hessian"), EDGES)
def test_edges(x, z, loss, gradient, hessian, dtype):
    x, z = np.array(x, dtype), np.array(z, dtype)
    assert_edge(with_numpy(formulas.loss, x, z), loss, dtype)
    if np.isfinite(z):
        assert_edge(with_numpy(formulas.loss, x, z, np.ones_like(x)), loss, dtype)
    assert_edge(with_numpy(formulas.gradient, x, z), gradient, dtype)
    if hessian is not None:
        assert_edge(with_numpy(formulas.hessian, x), hessian, dtype)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_nothing_is_lost_in_the_subnormals(dtype):
    tiny = float(np.finfo(dtype).smallest_subnormal)
    x, hessian = np.array([tiny, -tiny], dtype), np.array([0.25, 0.25], dtype)
    np.testing.assert_array_equal(with_numpy(formulas.hessian_slope, x * 64, hessian), [-8 * tiny, 8 * tiny])
    far = np.array([100.0 if dtype == np.float32 else 744.0], dtype)
    units = 27 if dtype == np.float32 else 2
    one = np.ones(1, dtype)
    assert with_numpy(formulas.loss, far, one) == units * tiny
    assert with_numpy(formulas.gradient, far, one) == -units * tiny
    assert with_numpy(formulas.hessian, -far) == units * tiny


def test_a_weight_of_zero_makes_an_infinite_loss_zero():
    x, z, w = np.float32([-inf, -inf, inf]), np.float32([1, 0, 1]), np.float32([0, 0, 2])
    np.testing.assert_array_equal(with_numpy(formulas.loss, x, z, w), [0, 0, 0])


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize(("row", "label", "loss", "gradient"), SOFTMAX_EDGES)
def test_softmax_edges(row, label, loss, gradient, dtype):
    x = np.array(row, dtype)
    z = formulas.one_hot(np, np.array(label), x)
    np.testing.assert_array_equal(z, np.arange(len(x)) == label)
    got = with_numpy(formulas.softmax_loss, x, z)
    np.testing.assert_array_equal(got, np.array(loss, dtype))
    np.testing.assert_array_equal(with_numpy(formulas.softmax_losses, x)[label], got)
    slope = with_numpy(formulas.softmax_gradient, x, z)
    np.testing.assert_array_equal(slope, gradient)
    np.testing.assert_array_equal(with_numpy(formulas.softmax, x), slope + z)
    np.testing.assert_array_equal(with_numpy(formulas.sparse_softmax_loss, x, np.array(label)), got)
    np.testing.assert_array_equal(with_numpy(formulas.sparse_softmax_gradient, x, np.array(label)), slope)


def test_an_index_that_is_no_class_makes_nan():
    x = np.zeros((3, 2), np.float32)
    y = np.array([-1, 2, 1])
    np.testing.assert_array_equal(formulas.one_hot(np, y, x), [[nan, nan], [nan, nan], [0, 1]])
    np.testing.assert_array_equal(formulas.sparse_softmax_loss(np, x, y), np.float32([nan, nan, math.log(2)]))
    slopes = [[nan, nan], [nan, nan], [0.5, -0.5]]
    np.testing.assert_array_equal(formulas.sparse_softmax_gradient(np, x, y), slopes)


def test_labels_that_need_not_be_distributions():
    x = np.array([[1.0, 2.0, 60.0]])
    p = np.exp(x - 60) / np.exp(x - 60).sum()
    for z in ([[1.0, 2.0, 3.0]], [[0.2, 0.1, 0.1]], [[0.0, 0.0, 0.0]]):
        np.testing.assert_allclose(formulas.softmax_gradient(np, x, np.array(z)), np.sum(z) * p - z, rtol=1e-13)


# --- the derivatives of derivatives ----------------------------------------------------------------------------------


def test_tangents_of_the_probabilities_and_losses():
    """Along unit vectors they are the rows of the Jacobian; where one class has nearly all, they keep their digits."""
    for row in ([1.0, 2.0, -1.0], [0.5, 0.5, 0.5, 0.5], [40.0, 0.0, 1.0], [0.0, -700.0]):
        x = np.array(row)
        p = formulas.softmax(np, x)
        with mp.workprec(4000):
            exact = [mp.exp(mp.mpf(v)) for v in row]
            exact = [v / mp.fsum(exact) for v in exact]
        for k, v in enumerate(np.eye(len(x))):
            tangent, losses = formulas.softmax_tangent(np, p, v), formulas.softmax_losses_tangent(np, p, v)
            for j in range(len(x)):
                of_loss = exact[k] - (1 if j == k else 0)
                assert oracle.ulps(losses[j], of_loss, x.dtype) <= 4, (row, j, k)
                assert oracle.ulps(tangent[j], -exact[j] * of_loss, x.dtype) <= 8, (row, j, k)
