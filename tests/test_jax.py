"""The losses for JAX: the bits of the kernels, derivatives of any order, every transformation, optax's own cases."""

import contextlib
import doctest
import functools
import io
import math
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import oracle
import xent
from oracle import BFLOAT16, DTYPES, bits, mp
from test_formulas import FLOATS, assert_sigmoid_bounds, assert_softmax_bounds
from test_losses import EDGES, LN2, interesting_labels, interesting_logits
from test_softmax import EDGES as SOFTMAX_EDGES
from xent import _formulas

jax = pytest.importorskip("jax")
import jax.numpy as jnp  # noqa: E402
from jax import export  # noqa: E402
from jax.test_util import check_grads  # noqa: E402

import xent.jax as xj  # noqa: E402

inf, nan = math.inf, math.nan
ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(params=DTYPES, ids=str)
def dtype(request):
    with jax.enable_x64(request.param == np.float64):
        yield request.param


def same(got, want):
    np.testing.assert_array_equal(bits(got), bits(want))


def same_but_flushed(got, want):
    """XLA multiplies a derivative with the cotangent, and makes what is subnormal 0."""
    got, want = np.asarray(got, np.float64), np.asarray(want)
    tiny = np.finfo(np.float32 if want.dtype in (BFLOAT16, np.float16) else want.dtype).tiny
    want = want.astype(np.float64)
    np.testing.assert_array_equal(got, np.where((abs(want) < tiny) & (got == 0), 0, want))


def each(function):
    """The derivative of a function of scalars, element by element."""
    return jax.jit(jax.vmap(function))


# --- values: the bits of the kernels ---------------------------------------------------------------------------------


def test_values_are_those_of_the_kernels(dtype):
    rng = np.random.default_rng(5)
    x = interesting_logits(dtype, rng, 2000)
    z = interesting_labels(x, dtype, rng)
    want = xent.ufuncs.sigmoid_cross_entropy_value_and_grad(x, z)
    gradient_and_hessian = xent.ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z)
    logits, labels = jnp.asarray(x), jnp.asarray(z)
    for wrap in (lambda f: f, jax.jit):
        same(wrap(xj.sigmoid_binary_cross_entropy)(logits, labels), want[0])
        same(wrap(lambda x, z: xent.sigmoid_cross_entropy_with_logits(labels=z, logits=x))(logits, labels), want[0])
        got = wrap(lambda x, z: xent.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x))(logits, labels)
        for one, other in zip(got, want, strict=True):
            same(one, other)
        got = wrap(lambda x, z: xent.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x))(logits, labels)
        for one, other in zip(got, gradient_and_hessian, strict=True):
            same(one, other)


KINDS = ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]
KINDS += ["float16", "bfloat16", "float32", "float64"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_count_at_their_full_precision(kind):
    with jax.enable_x64(kind.endswith("64")):
        z = np.array([0.0, 1.0, 1.0, 0.3]).astype(BFLOAT16 if kind == "bfloat16" else kind)
        x = np.float32([-3, 17, 40, 0.125])
        want = xent.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
        got = xent.sigmoid_cross_entropy_value_and_grad(labels=jnp.asarray(z), logits=jnp.asarray(x))
        for one, other in zip(got, want, strict=True):
            same(one, other)
        same(jax.grad(lambda x: xj.sigmoid_binary_cross_entropy(x, z).sum())(jnp.asarray(x)), want[1])


def softmax_batches(dtype):
    rng = np.random.default_rng(6)
    for classes in (1, 2, 10, 65, 513, 2000):
        x = (rng.normal(size=(7, classes)) * rng.choice([1, 10, 100], (7, 1))).astype(dtype)
        yield x, rng.dirichlet(np.ones(classes), 7).astype(dtype), rng.integers(0, classes, 7)


def test_softmax_values_are_those_of_the_kernels(dtype):
    for x, z, y in softmax_batches(dtype):
        want = xent.softmax_cross_entropy_value_and_grad(labels=z, logits=x)
        sparse = xent.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)
        logits = jnp.asarray(x)
        for wrap in (lambda f: f, jax.jit):
            same(wrap(xj.softmax_cross_entropy)(logits, z), want[0])
            same(wrap(xj.softmax_cross_entropy_with_integer_labels)(logits, y), sparse[0])
            got = wrap(lambda x, z: xent.softmax_cross_entropy_value_and_grad(labels=z, logits=x))(logits, z)
            for one, other in zip(got, want, strict=True):
                same(one, other)
            got = wrap(lambda x, y: xent.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x))(logits, y)
            for one, other in zip(got, sparse, strict=True):
                same(one, other)
        same(xent.softmax_cross_entropy_with_logits(labels=z.T, logits=logits.T, axis=0), want[0])
        got = xent.softmax_cross_entropy_value_and_grad(labels=z.T, logits=logits.T, axis=0)
        same(got[1], want[1].T)
        same(xent.sparse_softmax_cross_entropy_with_logits(labels=y.astype(np.uint16), logits=logits), sparse[0])


@pytest.mark.parametrize(("shape", "classes"), [((0,), None), ((), None), ((2, 0, 3), None), ((0,), 3), ((2, 0), 1)])
def test_no_elements_and_scalars(shape, classes):
    x = jnp.ones((*shape, classes) if classes else shape)
    if classes:
        assert xj.softmax_cross_entropy(x, x).shape == shape
        assert jax.grad(lambda x: xj.softmax_cross_entropy(x, x).sum())(x).shape == x.shape
    else:
        assert xj.sigmoid_binary_cross_entropy(x, x).shape == shape
        assert jax.grad(lambda x: xj.sigmoid_binary_cross_entropy(x, x).sum())(x).shape == shape


def test_large_arrays_use_threads():
    x = np.linspace(-9, 9, 300_000, dtype=np.float32)
    same(
        jax.jit(xj.sigmoid_binary_cross_entropy)(x, x > 0),
        xent.sigmoid_cross_entropy_with_logits(labels=x > 0, logits=x),
    )


# --- derivatives of the sigmoid's loss -------------------------------------------------------------------------------

GRADIENT = jax.grad(xj.sigmoid_binary_cross_entropy)
HESSIAN = jax.grad(GRADIENT)
THIRD = jax.grad(HESSIAN)


def test_derivatives_are_those_of_the_kernels(dtype):
    rng = np.random.default_rng(7)
    x = interesting_logits(dtype, rng, 500)
    z = interesting_labels(x, dtype, rng)
    gradient, hessian = xent.ufuncs.sigmoid_cross_entropy_grad_and_hess(x, z)
    same_but_flushed(each(GRADIENT)(x, z), gradient)
    same_but_flushed(each(HESSIAN)(x, z), hessian)
    value, slope = each(jax.value_and_grad(xj.sigmoid_binary_cross_entropy))(x, z)
    same(value, xent.ufuncs.sigmoid_cross_entropy(x, z))
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
    return xent.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)


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
    want = xent.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)
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
        want = xent.softmax_cross_entropy_value_and_grad(labels=z, logits=x)[1]
        same_but_flushed(jax.jit(jax.grad(sum_of_dense))(jnp.asarray(x), z), want)
        want = xent.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)[1]
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


# --- transformations -------------------------------------------------------------------------------------------------


def test_vmap():
    x, z = jnp.linspace(-20, 20, 24).reshape(2, 3, 4), jnp.linspace(0, 1, 24).reshape(2, 3, 4)
    f = xj.sigmoid_binary_cross_entropy
    want = f(x, z)
    same(jax.vmap(f)(x, z), want)
    same(jax.vmap(f, in_axes=(2, 2), out_axes=2)(x, z), want)
    same(jax.vmap(jax.vmap(f), in_axes=(0, None))(x, z[0]), f(x, jnp.broadcast_to(z[0], x.shape)))
    y = jnp.array([[0, 1, 2], [3, 0, 1]])
    s = xj.softmax_cross_entropy_with_integer_labels
    same(jax.vmap(s)(x, y), s(x, y))
    same(jax.vmap(jax.vmap(s))(x, y), s(x, y))
    same(jax.vmap(s, in_axes=(None, 0))(x[0, 0], y.reshape(-1)), s(jnp.broadcast_to(x[0, 0], (6, 4)), y.reshape(-1)))
    same(jax.vmap(jax.grad(s))(x[0], y[0]), jax.grad(lambda x: s(x, y[0]).sum())(x[0]))


def test_remat_and_scan():
    x, z = jnp.linspace(-9, 9, 8), jnp.linspace(0, 1, 8)
    f = lambda x: xj.sigmoid_binary_cross_entropy(jnp.sin(x), z).sum()  # noqa: E731
    same(jax.grad(jax.checkpoint(f))(x), jax.grad(f)(x))
    total, each_one = jax.lax.scan(lambda t, row: (t + f(row), f(row)), 0.0, jnp.stack([x, -x]))
    same(each_one, jnp.stack([f(x), f(-x)]))
    assert total == each_one.sum()


def test_infinite_logits_under_a_mask():
    """The gradient with respect to the labels is infinite there, and is not asked for."""
    x = jnp.array([inf, 1.0, nan])

    def f(x):
        return jnp.where(jnp.array([True, True, False]), xj.sigmoid_binary_cross_entropy(x, jnp.ones(3)), 0).sum()

    np.testing.assert_allclose(jax.jit(jax.grad(f))(x)[:2], [0, -0.26894143], rtol=1e-6)


SHARDED = """
import jax, jax.numpy as jnp
from jax.sharding import NamedSharding, PartitionSpec as P
import xent.jax as xj

mesh = jax.make_mesh((2,), ("i",), axis_types=(jax.sharding.AxisType.Auto,))
x, z = jnp.linspace(-20, 20, 8).reshape(4, 2), jnp.linspace(0, 1, 8).reshape(4, 2)
y = jnp.array([0, 1, 1, 0])
f, s = xj.sigmoid_binary_cross_entropy, xj.softmax_cross_entropy_with_integer_labels

def mean(loss, x, z):
    local = jax.shard_map(lambda x, z: jax.lax.pmean(loss(x, z).mean(), "i"), mesh=mesh, in_specs=P("i"), out_specs=P())
    return local(x, z)

for loss, labels in (f, z), (s, y):
    assert (jax.shard_map(loss, mesh=mesh, in_specs=P("i"), out_specs=P("i"))(x, labels) == loss(x, labels)).all()
    got = jax.jit(jax.grad(mean, argnums=1), static_argnums=0)(loss, x, labels)
    assert (abs(got - jax.grad(lambda x: loss(x, labels).mean())(x)) <= 1e-7 * abs(got)).all()
    # Labels that are the same on both devices.
    got = jax.shard_map(loss, mesh=mesh, in_specs=(P("i"), P()), out_specs=P("i"))(x, labels[:2])
    assert (got == loss(x, jnp.concatenate([labels[:2]] * 2))).all()
    # Without shard_map the arrays are gathered.
    put = lambda a: jax.device_put(a, NamedSharding(mesh, P("i")))
    assert (jax.jit(loss)(put(x), put(labels)) == loss(x, labels)).all()
print(len(jax.devices()), "devices")
"""


def run(code, **environment):
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", **environment}
    got = subprocess.run([sys.executable, "-W", "error", "-c", code], env=environment, capture_output=True, text=True)
    assert got.stderr == "", got.stderr
    return got.stdout


def test_shard_map_over_two_devices():
    assert run(SHARDED, XLA_FLAGS="--xla_force_host_platform_device_count=2") == "2 devices\n"


def test_named_scopes():
    x = jnp.ones(3)
    for name, want in ((None, "sigmoid_cross_entropy_with_logits"), ("my loss", "my loss")):
        f = functools.partial(xent.sigmoid_cross_entropy_with_logits, name=name)
        text = jax.jit(lambda x, f=f: f(labels=x, logits=x)).lower(x).as_text(debug_info=True)
        assert f"{want}/" in text


def test_the_compiled_program_is_one_call():
    text = jax.jit(xj.sigmoid_binary_cross_entropy).lower(jnp.ones(3), jnp.ones(3)).compile().as_text()
    assert text.count("custom-call(") == 1
    assert " select(" not in text
    assert "exponential" not in text


# --- other platforms -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "labels"),
    [
        (xj.sigmoid_binary_cross_entropy, 1.0),
        (xj.softmax_cross_entropy, 1.0),
        (xj.softmax_cross_entropy_with_integer_labels, 1),
    ],
)
def test_other_platforms_compute_the_formulas(function, labels):
    x = jnp.ones((2, 3))
    z = jnp.full(x.shape if labels == 1.0 and isinstance(labels, float) else (2,), labels)
    program = jax.jit(jax.grad(lambda x: function(x, z).sum())).trace(x)
    text = program.lower(lowering_platforms=("cuda",)).as_text()
    assert "xent_" not in text
    assert "stablehlo.exponential" in text
    assert "xent_" in program.lower(lowering_platforms=("cpu",)).as_text()


def with_xla(formula, *arrays):
    return np.asarray(compiled(formula)(*arrays))


@functools.cache
def compiled(formula):
    return jax.jit(functools.partial(formula, jnp))


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_bounds_of_the_formulas_compiled_by_xla(dtype):
    with jax.enable_x64(dtype == np.float64):
        assert_sigmoid_bounds(with_xla, dtype, flushed=True)
        assert_softmax_bounds(with_xla, dtype, flushed=True)


@pytest.mark.parametrize("name", ["loss", "gradient", "hessian"])
def test_xla_flushes_subnormals_on_the_processor(name):
    """The reason for the exemption above: what it is stated for still happens."""
    x = np.float32([-100])
    arrays = (x,) if name == "hessian" else (x, np.float32([0]))
    assert with_xla(getattr(_formulas, name), *arrays) == 0


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


# --- sums ------------------------------------------------------------------------------------------------------------


def test_known_values_have_an_exact_mean():
    x, z = np.linspace(-100, 100, 1001, dtype=np.float32), np.linspace(0, 1, 1001, dtype=np.float32)
    want = xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    got = xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=jnp.asarray(x))
    assert isinstance(got[1], jax.Array)
    assert got[0] == want[0]
    same(got[1], want[1])
    total = xent.sigmoid_cross_entropy_total(labels=jnp.asarray(z), logits=jnp.asarray(x))
    assert total == xent.sigmoid_cross_entropy_total(labels=z, logits=x)
    mean, slope = jax.jit(lambda x: xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x))(x)
    np.testing.assert_allclose(mean, want[0], rtol=1e-6)
    np.testing.assert_allclose(slope, want[1], rtol=1e-6, atol=1e-37)


def test_softmax_means():
    x, z, y = np.float32([[1, 2, 40], [0, 0, 1]]), np.float32([[0.5, 0, 0.5], [0, 1, 0]]), np.array([2, 0])
    dense, sparse = xent.softmax_cross_entropy_mean_and_grad, xent.sparse_softmax_cross_entropy_mean_and_grad
    for f, labels in (
        (dense, z),
        (sparse, y),
        (lambda *, labels, logits: dense(labels=labels, logits=logits, axis=0), z),
    ):
        want = f(labels=labels, logits=x)
        got = f(labels=jnp.asarray(labels), logits=jnp.asarray(x))
        assert got[0] == want[0]
        same(got[1], want[1])
        got = jax.jit(lambda x, labels, f=f: f(labels=labels, logits=x))(x, labels)
        np.testing.assert_allclose(got[0], want[0], rtol=1e-6)
        np.testing.assert_allclose(got[1], want[1], rtol=1e-6)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_an_index_that_is_no_class():
    x, y = jnp.zeros((3, 2)), jnp.array([0, 2, -1])
    with pytest.raises(ValueError, match=r"from 0 to 1, got 2 at labels\[1\]"):
        xj.softmax_cross_entropy_with_integer_labels(x, y)
    with pytest.raises(ValueError, match=r"got 4294967296 at labels\[0\]"):
        xj.softmax_cross_entropy_with_integer_labels(x, np.array([2**32, 0, 0]))
    value, slope = jax.jit(jax.value_and_grad(lambda x, y: xj.softmax_cross_entropy_with_integer_labels(x, y).sum()))(
        x, y
    )
    assert jnp.isnan(value)
    same(slope, np.float32([[-0.5, 0.5], [nan, nan], [nan, nan]]))
    wide = jax.jit(xj.softmax_cross_entropy_with_integer_labels)
    with jax.enable_x64(True):
        same(wide(x, jnp.array([0, 2**32, 1])), np.float32([0.6931472, nan, 0.6931472]))


def jitted(f):
    return lambda: jax.jit(f)(jnp.ones(3), jnp.ones(3))


ONES = np.ones(3, np.float32)


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (
            lambda: xj.sigmoid_binary_cross_entropy(ONES, ONES[:, None]),
            ValueError,
            "must have the same shape, got (3,) and (3, 1)",
        ),
        (
            lambda: xj.sigmoid_binary_cross_entropy(jnp.arange(3), ONES),
            TypeError,
            "logits must be float16, bfloat16, float32 or float64, got dtype int32",
        ),
        (
            lambda: xj.sigmoid_binary_cross_entropy(ONES, jnp.ones(3, jnp.float8_e4m3b11fnuz)),
            TypeError,
            "labels must be a float of at most 64 bits, an integer or bool, got dtype float8",
        ),
        (lambda: xj.sigmoid_binary_cross_entropy(ONES, None), ValueError, "labels missing"),
        (
            lambda: xj.softmax_cross_entropy(ONES, np.ones((2, 3))),
            ValueError,
            "without enlarging it, got (2, 3) for logits of shape (3,)",
        ),
        (lambda: xj.softmax_cross_entropy(ONES, ONES, axis=1), ValueError, "axis must be an integer from -1 to 0"),
        (lambda: xj.softmax_cross_entropy(ONES, ONES, axis=(0, 1)), ValueError, "axis must be an integer from -1 to 0"),
        (
            lambda: xj.softmax_cross_entropy(ONES, ONES, where=np.ones((2, 3))),
            ValueError,
            "where must broadcast to the shape of logits, with or without the axis of the classes, and not enlarge it, got (2, 3) for logits of shape (3,). Reshape it.",
        ),
        (
            lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, 1.0),
            TypeError,
            "labels must be integer class indices, got dtype float64",
        ),
        (
            lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, [1]),
            ValueError,
            "got logits of shape (3,) and labels of shape (1,)",
        ),
        (lambda: xj.softmax_cross_entropy_with_integer_labels(ONES, None), ValueError, "labels missing"),
        (
            lambda: xent.sigmoid_cross_entropy_with_logits(labels=ONES[:2], logits=jnp.ones(3), name="mine"),
            ValueError,
            "mine: logits and labels",
        ),
        (
            lambda: xent.weighted_cross_entropy_with_logits(
                labels=ONES, logits=jnp.ones(3), pos_weight=np.ones((2, 3))
            ),
            ValueError,
            "pos_weight must broadcast to the shape of logits without enlarging it, got (2, 3)",
        ),
        (
            lambda: xent.weighted_cross_entropy_with_logits(labels=ONES, logits=jnp.ones(3), pos_weight=1j),
            TypeError,
            "pos_weight must be a float",
        ),
        (
            jitted(lambda x, z: xent.sigmoid_cross_entropy_total(labels=z, logits=x)),
            TypeError,
            "sigmoid_cross_entropy_total adds up values, which arrays being traced do not have. Call it outside the transformed function, or sum the losses there.",
        ),
        *(
            (
                lambda f=f: f(labels=[1, 0, 0], logits=jnp.ones(3), out=ONES),
                TypeError,
                "out must be None for arrays that cannot be written to, got numpy.ndarray. Take the gradient that is returned.",
            )
            for f in (
                xent.sigmoid_cross_entropy_mean_and_grad,
                xent.softmax_cross_entropy_mean_and_grad,
                xent.sparse_softmax_cross_entropy_mean_and_grad,
            )
        ),
    ],
)
def test_errors(call, error, text):
    with pytest.raises(error) as caught:
        call()
    assert text in str(caught.value)


def handler(name, results, *arrays):
    return jax.jit(jax.ffi.ffi_call(f"xent_{name}", results))(*arrays)


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ((np.ones(3, np.complex64), ONES), "xent: no kernel for XLA's type 15"),
        ((ONES,), "xent: too few operands, got 1"),
    ],
)
def test_the_handlers_refuse_what_they_do_not_know(arrays, text):
    with pytest.raises(Exception, match=text):
        handler("sigmoid_cross_entropy", jax.ShapeDtypeStruct((3,), np.float32), *arrays).block_until_ready()


def test_the_handler_of_class_indices_refuses_other_integers():
    with pytest.raises(Exception, match="xent: class indices must be int32 or int64"):
        handler("softmax_cross_entropy", jax.ShapeDtypeStruct((), np.float32), ONES, np.int16(1)).block_until_ready()


LAYOUTS = """
#include "xla/ffi/api/c_api.h"
#include "xla_api.h"
using namespace xent::xla;
#define SAME(ours, member, theirs, their_member) \\
  static_assert(offsetof(ours, member) == offsetof(theirs, their_member) && \\
                sizeof(ours::member) == sizeof(theirs::their_member))
SAME(Extension, type, XLA_FFI_Extension_Base, type);
SAME(Version, major, XLA_FFI_Api_Version, major_version);
SAME(Version, minor, XLA_FFI_Api_Version, minor_version);
SAME(MetadataExtension, metadata, XLA_FFI_Metadata_Extension, metadata);
using Metadata = std::remove_pointer_t<decltype(MetadataExtension::metadata)>;
SAME(Metadata, version, XLA_FFI_Metadata, api_version);
SAME(ErrorArguments, message, XLA_FFI_Error_Create_Args, message);
SAME(ErrorArguments, code, XLA_FFI_Error_Create_Args, errc);
SAME(Api, create_error, XLA_FFI_Api, XLA_FFI_Error_Create);
SAME(Buffer, type, XLA_FFI_Buffer, dtype);
SAME(Buffer, data, XLA_FFI_Buffer, data);
SAME(Buffer, rank, XLA_FFI_Buffer, rank);
SAME(Buffer, dimensions, XLA_FFI_Buffer, dims);
SAME(Buffers, size, XLA_FFI_Args, size);
SAME(Buffers, buffers, XLA_FFI_Args, args);
SAME(Buffers, buffers, XLA_FFI_Rets, rets);
SAME(Call, api, XLA_FFI_CallFrame, api);
SAME(Call, arguments, XLA_FFI_CallFrame, args);
SAME(Call, results, XLA_FFI_CallFrame, rets);
static_assert(MetadataExtension::type == XLA_FFI_Extension_Metadata && internal_error == XLA_FFI_Error_Code_INTERNAL);
static_assert(XLA_FFI_API_MAJOR == 0);
"""


def test_the_layouts_are_those_of_the_header_that_jaxlib_ships(tmp_path):
    (tmp_path / "layouts.cc").write_text("#include <type_traits>\n" + LAYOUTS)
    command = [
        "c++",
        "-std=c++17",
        "-fsyntax-only",
        f"-I{ROOT / 'cpp'}",
        f"-I{jax.ffi.include_dir()}",
        tmp_path / "layouts.cc",
    ]
    try:
        got = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        pytest.skip("no C++ compiler")
    assert got.returncode == 0, got.stderr


# --- documents -------------------------------------------------------------------------------------------------------


def test_docstrings():
    failures, tried = doctest.testmod(xj)
    assert (failures, tried > 0) == (0, True)


def test_the_page():
    page = (ROOT / "docs" / "hosts" / "jax.md").read_text()
    blocks = re.findall(r"^```(\w*)\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for language, code in blocks:
            if language == "python":
                exec(compile(code, "jax.md", "exec"), {})
    assert printed.getvalue() == "".join(text for language, text in blocks if not language)


def test_programs_for_other_platforms_are_exported():
    x = jnp.ones(3)
    exported = functools.partial(export.export, jax.jit(xj.sigmoid_binary_cross_entropy))
    with pytest.raises(ValueError, match="xent_sigmoid_cross_entropy"):
        exported(platforms=["cpu"])(x, x)
    assert exported(platforms=["cuda"])(x, x).platforms == ("cuda",)


# --- imports ---------------------------------------------------------------------------------------------------------


def test_no_other_framework_is_imported():
    code = "import sys, jax, xent; {}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    before = set(run(code.format("pass")).split())
    call = "xent.sigmoid_cross_entropy_with_logits(labels=[1.0], logits=jax.numpy.ones(1))"
    added = set(run(code.format(call)).split()) - before
    assert not added & {"torch", "tensorflow", "keras", "optax", "flax", "sklearn"}
    assert "xent.jax" not in run("import sys, jax, xent; print(*sys.modules)").split()
