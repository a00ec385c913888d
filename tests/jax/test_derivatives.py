"""The losses for JAX: derivatives of any order, of the sigmoid's loss, with a weight, of the softmax's."""

import functools
import math

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..bounds import FLOATS
from ..edges import EDGES, LN2, SOFTMAX_EDGES
from ..inputs import interesting_labels, interesting_logits
from ..oracle import BFLOAT16, mp
from . import support as jax_host
from .support import check_grads, jax, jnp, same, softmax_batches, xj

inf, nan = math.inf, math.nan
dtype = jax_host.dtype


def same_but_flushed(got, want):
    """XLA multiplies a derivative with the cotangent, and makes what is subnormal 0."""
    got, want = np.asarray(got, np.float64), np.asarray(want)
    tiny = np.finfo(np.float32 if want.dtype in (BFLOAT16, np.float16) else want.dtype).tiny
    want = want.astype(np.float64)
    np.testing.assert_array_equal(got, np.where((abs(want) < tiny) & (got == 0), 0, want))


def each(function):
    """The derivative of a function of scalars, element by element."""
    return jax.jit(jax.vmap(function))


# --- derivatives of the sigmoid's loss -------------------------------------------------------------------------------

GRADIENT = jax.grad(xj.sigmoid_binary_cross_entropy)
HESSIAN = jax.grad(GRADIENT)
THIRD = jax.grad(HESSIAN)


def test_derivatives_are_those_of_the_kernels(dtype):
    rng = np.random.default_rng(7)
    x = interesting_logits(dtype, rng, 500)
    z = interesting_labels(x, dtype, rng)
    gradient, hessian = logitloss.ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z)
    same_but_flushed(each(GRADIENT)(x, z), gradient)
    same_but_flushed(each(HESSIAN)(x, z), hessian)
    value, slope = each(jax.value_and_grad(xj.sigmoid_binary_cross_entropy))(x, z)
    same(value, logitloss.ufuncs.sigmoid_cross_entropy(x, z))
    same_but_flushed(slope, gradient)
    forward = jax.jit(lambda x, z, v: jax.jvp(xj.sigmoid_binary_cross_entropy, (x, z), (v, jnp.zeros_like(z))))
    same_but_flushed(forward(x, z, jnp.ones_like(x))[1], gradient)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_third_and_fourth_derivative(dtype):
    """The third within the bound of hessian_slope; the fourth, h (t^2 - (1 - t^2) / 2), where it does not cancel."""
    with jax.enable_x64(dtype == np.float64):
        x = interesting_logits(dtype, np.random.default_rng(8), 100)
        tiny = float(np.finfo(dtype).tiny)
        third, fourth = each(THIRD)(x, x), each(jax.grad(THIRD))(x, x)
        for v, three, four in zip(x.tolist(), third.tolist(), fourth.tolist(), strict=True):
            h, t = oracle.hessian(v), mp.tanh(mp.mpf(v) / 2)
            assert abs(three + h * t) <= 7 * oracle.unit(h * t, dtype) + 2 * tiny, v
            assert abs(four - h * (3 * t * t - 1) / 2) <= 16 * oracle.unit(h, dtype) + 2 * tiny, v


def test_edges(dtype):
    x, z, loss, gradient, hessian = zip(*(row for row in EDGES if row[4] is not None), strict=True)
    loss = [oracle.nearest(mp.log(2), dtype) if one is LN2 else one for one in loss]
    third = [nan if math.isnan(one) else 0.0 for one in x]
    fourth = [nan if math.isnan(one) else -0.125 if one == 0 else 0.0 for one in x]
    logits, labels = jnp.array(x, dtype), jnp.array(z, dtype)
    same(xj.sigmoid_binary_cross_entropy(logits, labels), np.array(loss, dtype))
    for order, want in ((GRADIENT, gradient), (HESSIAN, hessian), (THIRD, third), (jax.grad(THIRD), fourth)):
        np.testing.assert_array_equal(np.float64(each(order)(logits, labels)), want)
    slope = each(jax.grad(xj.sigmoid_binary_cross_entropy, argnums=1))(logits, labels)
    same(slope, -np.array(x, dtype))
    assert (each(jax.grad(GRADIENT, argnums=1))(logits, labels) == -1).all()
    assert (each(jax.grad(HESSIAN, argnums=1))(logits, labels) == 0).all()


def weighted(x, z, w):
    return logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)


def test_gradients_numerically():
    with jax.enable_x64(True):
        point = (jnp.array([-3.0, 0.0, 7.0]), jnp.array([0.25, 1.0, 0.0]))
        check_grads(xj.sigmoid_binary_cross_entropy, point, order=3)
        check_grads(weighted, (*point, jnp.array([3.0, 0.5, 1.0])), order=3)


# --- with a weight of the positive class -----------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16, np.float32], ids=str)
def test_weighted_values(dtype):
    """In the narrow formats the float32 result is rounded once more."""
    rng = np.random.default_rng(9)
    x, z, w = (rng.normal(scale=6, size=300).astype(dtype), rng.random(300).astype(dtype), np.float32([0.5, 2, 30]))
    x, z = x.reshape(100, 3), z.reshape(100, 3)
    want = logitloss.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
    got = weighted(jnp.asarray(x), z, w)
    assert got.dtype == dtype
    unit = 2.0 ** -(oracle.ml_dtypes.finfo(dtype).nmant)
    np.testing.assert_allclose(np.float64(got), np.float64(want), rtol=(4 if dtype == np.float32 else 1) * unit)
    assert weighted(jnp.float32(2), 1, 3).dtype == np.float32


def test_weighted_derivatives_at_infinity():
    for x, z, w, want in [
        (inf, 1.0, 3.0, (0.0, -inf, 0.0)),
        (-inf, 1.0, 3.0, (-3.0, inf, inf)),
        (-inf, 0.0, 3.0, (0.0, inf, 0.0)),
        (-inf, 1.0, 0.0, (0.0, 0.0, inf)),
        (inf, 0.0, 0.0, (1.0, -inf, 0.0)),
        (0.0, 0.5, 2.0, (-0.25, math.log(2), math.log(2) / 2)),
    ]:
        got = jax.grad(weighted, argnums=(0, 1, 2))(x, z, w)
        np.testing.assert_allclose(got, want, rtol=3e-7, err_msg=str((x, z, w)))
    h = jax.hessian(weighted)(0.0, 1.0, 3.0)
    assert h == 0.75


def test_weight_one_is_the_unweighted_loss():
    x = jnp.linspace(-40, 40, 201)
    z = jnp.linspace(0, 1, 201)
    np.testing.assert_array_max_ulp(weighted(x, z, 1.0), xj.sigmoid_binary_cross_entropy(x, z), 4)


# --- derivatives of the softmax losses -------------------------------------------------------------------------------


def test_softmax_edges(dtype):
    """As one batch, the shorter rows with absent classes."""
    short = [(row + [-inf] * (3 - len(row)), *rest) for row, *rest in SOFTMAX_EDGES]
    x, y, loss, gradient = zip(*short, strict=True)
    loss = np.array([oracle.nearest(mp.log(2), dtype) if one == math.log(2) else one for one in loss], dtype)
    gradient = np.array([slope + [0.0] * (3 - len(slope)) for slope in gradient])
    logits, indices = jnp.array(x, dtype), jnp.array(y)
    hot = jax.nn.one_hot(indices, 3, dtype=dtype)
    probabilities = gradient + np.float64(hot)
    hessian = [np.diag(p) - np.outer(p, p) for p in probabilities]
    for f, labels in ((xj.softmax_cross_entropy_with_integer_labels, indices), (xj.softmax_cross_entropy, hot)):
        same(f(logits, labels), loss)
        np.testing.assert_array_equal(np.float64(each(jax.grad(f))(logits, labels)), gradient)
        np.testing.assert_array_equal(np.float64(each(jax.hessian(f))(logits, labels)), hessian)
    same(
        np.take_along_axis(
            np.asarray(each(jax.grad(xj.softmax_cross_entropy, argnums=1))(logits, hot)), np.array(y)[:, None], 1
        )[:, 0],
        loss,
    )


def sum_of_dense(x, z):
    return xj.softmax_cross_entropy(x, z).sum()


def sum_of_sparse(x, y):
    return xj.softmax_cross_entropy_with_integer_labels(x, y).sum()


def test_softmax_derivatives_are_those_of_the_kernels(dtype):
    for x, z, y in softmax_batches(dtype):
        want = logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x)[1]
        same_but_flushed(jax.jit(jax.grad(sum_of_dense))(jnp.asarray(x), z), want)
        want = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)[1]
        same_but_flushed(jax.jit(jax.grad(sum_of_sparse))(jnp.asarray(x), y), want)


def test_softmax_gradients_numerically():
    """Also where logits tie, and for labels that do not sum to 1."""
    with jax.enable_x64(True):
        x = jnp.array([[1.0, 2.0, -1.0], [0.5, 0.5, 0.5], [2.0, 2.0, 1.0], [9.0, 1.0, 0.0]])
        z = jnp.linspace(0.1, 0.9, 12).reshape(4, 3)
        check_grads(xj.softmax_cross_entropy, (x, z), order=3)
        y = jnp.array([0, 1, 2, 0])
        check_grads(lambda x: xj.softmax_cross_entropy_with_integer_labels(x, y), (x,), order=3)


def test_the_hessian_keeps_its_digits_where_one_class_has_nearly_all():
    f = functools.partial(xj.softmax_cross_entropy_with_integer_labels, labels=0)
    got = np.float64(jax.hessian(f)(jnp.array([40.0, 0.0, 1.0])))
    small = math.exp(-40)
    want = small * np.array([[1 + math.e, -1, -math.e], [-1, 1, 0], [-math.e, 0, math.e]])
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-30)
