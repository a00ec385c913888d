"""The losses for JAX in optax's signatures: the cases it publishes, axes and masks."""

import math

import numpy as np
import pytest

from .support import jax, jnp, same, xj

inf, nan = math.inf, math.nan


# --- what optax publishes (https://github.com/google-deepmind/optax, losses/_classification_test.py) ------------------


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(
    ("logits", "labels", "mean"),
    [
        ([1e9, 1e-9], [1, 0], 0.3465736),
        ([1e9, 1e-9], [0, 1], 5e8),
        ([1e9, -1e-9], [1, 0], 0.3465736),
        ([1e9, -1e-9], [0, 1], 5e8),
        ([0, 0], [1, 0], 0.6931472),
    ],
)
def test_optax_sigmoid_cases(logits, labels, mean, sign):
    labels = labels if sign == 1 else [1 - z for z in labels]
    got = xj.sigmoid_binary_cross_entropy(sign * np.float32(logits), np.float32(labels))
    np.testing.assert_allclose(got.mean(), mean, rtol=1e-6)


LOGITS, CLASSES = np.float32([[10, 1, -2], [1, 4, 0.2]]), np.array([1, 0])


def test_optax_softmax_cases():
    want = [9.00013, 3.0696733]
    np.testing.assert_allclose(xj.softmax_cross_entropy(LOGITS, np.eye(3)[CLASSES]), want, rtol=1e-6)
    np.testing.assert_allclose(xj.softmax_cross_entropy_with_integer_labels(LOGITS, CLASSES), want, rtol=1e-6)


def test_optax_documented_examples():
    logits, labels = jnp.array([[1.2, -0.8, -0.5], [0.9, -1.2, 1.1]]), jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(xj.softmax_cross_entropy(logits, labels), [0.2761, 2.9518], atol=5e-5)
    np.testing.assert_allclose(
        xj.softmax_cross_entropy_with_integer_labels(logits, [0, 1]), [0.2761, 2.9518], atol=5e-5
    )
    flat = jnp.arange(24, dtype=jnp.float32).reshape(1, 2, 3, 4)
    got = xj.softmax_cross_entropy_with_integer_labels(flat, jnp.array([[5, 11]]), axis=(2, 3))
    np.testing.assert_allclose(got, [[6.4587, 0.4587]], atol=5e-5)


@pytest.mark.parametrize("axis", [0, 1, -1, (0, 2), (-1, -2)])
def test_axes(axis):
    rng = np.random.default_rng(10)
    x, z = rng.normal(size=(2, 3, 4)), rng.dirichlet(np.ones(24)).reshape(2, 3, 4)
    axes = axis if isinstance(axis, tuple) else (axis,)
    last = range(-len(axes), 0)
    rows = [np.moveaxis(a, axes, last) for a in (x, z)]
    x2, z2 = (a.reshape(*a.shape[: 3 - len(axes)], -1) for a in rows)
    same(xj.softmax_cross_entropy(x, z, axis), xj.softmax_cross_entropy(x2, z2))
    y = rng.integers(0, x2.shape[-1], x2.shape[:-1])
    f = xj.softmax_cross_entropy_with_integer_labels
    same(f(x, y, axis), f(x2, y))


def test_where():
    x, z, y = (
        jnp.array([[1.0, nan, 2.0], [1.0, 2.0, 3.0]]),
        jnp.array([[0.5, 0.5, 0.5], [0.0, 1.0, 0.0]]),
        jnp.array([0, 1]),
    )
    classes, rows = jnp.array([[True, False, True]] * 2), jnp.array([False, True])
    f, s = xj.softmax_cross_entropy, xj.softmax_cross_entropy_with_integer_labels
    same(f(x, z, where=classes)[0], f(x[0, ::2], z[0, ::2]))
    same(s(x, y, where=classes), jnp.array([s(x[0, ::2], 0), inf]))
    for g, labels in ((f, z), (s, y)):
        same(g(x, labels, where=rows), jnp.array([0, g(x[1], labels[1])]))
        same(g(x.T, labels.T, axis=0, where=rows), g(x, labels, where=rows))
        slope = jax.grad(lambda x, g=g, labels=labels: g(x, labels, where=rows).sum())(x)
        assert not slope[0].any()
        same(slope[1], jax.grad(g)(x[1], labels[1]))
        slope = jax.grad(lambda x, g=g, labels=labels: g(x, labels, where=classes)[0])(x)
        assert slope[0, 1] == 0
        assert jnp.isfinite(slope).all()


def test_one_distribution_for_a_batch():
    x, z = jnp.arange(6.0).reshape(2, 3), jnp.array([0.5, 0.25, 0.25])
    same(xj.softmax_cross_entropy(x, z), xj.softmax_cross_entropy(x, jnp.stack([z, z])))
    slope = jax.grad(lambda z: xj.softmax_cross_entropy(x, z).sum())(z)
    np.testing.assert_allclose(slope, (jnp.log(jnp.exp(x).sum(1, keepdims=True)) - x).sum(0), rtol=1e-6)
