"""logitloss.tensorflow: the bits of the kernels for eager tensors, the bounds of the formulas for others, the edges."""

import numpy as np
import pytest

import logitloss

from .. import oracle
from ..oracle import BFLOAT16, DTYPES, bits, ulps
from . import support as tensorflow_host
from .support import BOUNDS, INF, LN2, NAN, derived, ops, outputs, sigmoid, softmax, sparse, tf

mode, formula_mode = tensorflow_host.mode, tensorflow_host.formula_mode


# --- edges and tails -------------------------------------------------------------------------------------------------

# x, z: loss, gradient, derivative with respect to the label
EDGES = [
    (INF, 0, INF, 1, -INF),
    (INF, 0.5, INF, 0.5, -INF),
    (INF, 1, 0, 0, -INF),
    (INF, -1, INF, 2, -INF),
    (INF, 2, -INF, -1, -INF),
    (-INF, 0, 0, 0, INF),
    (-INF, 0.5, INF, -0.5, INF),
    (-INF, 1, INF, -1, INF),
    (-INF, -1, -INF, 1, INF),
    (-INF, 2, INF, -2, INF),
    (0, 0, LN2, 0.5, 0),
    (0, 0.5, LN2, 0, 0),
    (-0.0, 1, LN2, -0.5, 0),
    (0, 2, LN2, -1.5, 0),
    (40, 0, 40, 1, -40),
    (40, 0.5, 20, 0.5, -40),
    (40, 1, 4.2483541e-18, -4.2483541e-18, -40),
    (-40, 0, 4.2483541e-18, 4.2483541e-18, 40),
    (40, -1, 80, 2, -40),
    (40, 2, -40, -1, -40),
    (17, 1, 4.1399375e-08, -4.1399375e-08, -17),
    (20, 1, 2.0611537e-09, -2.0611537e-09, -20),
    (3e38, 0, 3e38, 1, -3e38),
    (3e38, 0.5, 1.5e38, 0.5, -3e38),
    (3e38, 1, 0, 0, -3e38),
    (3e38, -1, INF, 2, -3e38),
    (3e38, 2, -3e38, -1, -3e38),
    (NAN, 0, NAN, NAN, NAN),
    (1, NAN, NAN, NAN, -1),
]


def test_edges(mode):
    x, z, loss, slope, by_label = np.float32(EDGES).T
    got_loss, got = mode(derived(sigmoid))(tf.constant(x), tf.constant(z))
    assert (np.isnan(got_loss) == np.isnan(loss)).all()
    for got_one, want in ((got_loss, loss), (got[0], slope), (got[1], by_label)):
        np.testing.assert_array_equal(np.isnan(got_one), np.isnan(want))
        known = np.isfinite(want)
        np.testing.assert_array_equal(got_one.numpy()[~known], want[~known])
        np.testing.assert_array_almost_equal_nulp(got_one.numpy()[known], want[known], 2)
    _, (curvature, mixed) = mode(derived(sigmoid, order=2))(tf.constant(x), tf.constant(z))
    p = 1 / (1 + np.exp(-np.abs(x.astype(float))))
    want = np.where(np.isnan(z), p * (1 - p), p * np.exp(-np.abs(x.astype(float))) * p)
    np.testing.assert_allclose(curvature, want, rtol=1e-6, atol=1e-37)
    np.testing.assert_array_equal(mixed, np.full(len(x), -1.0))


def test_third_derivatives(mode):
    x = np.float32([-30, -1, 0, 0.5, 20, INF])
    _, (third, _) = mode(derived(sigmoid, order=3))(tf.constant(x), tf.ones(6))
    with oracle.mp.workprec(200):
        want = [float(-oracle.hessian(v) * oracle.mp.tanh(oracle.mp.mpf(float(v)) / 2)) for v in x[:-1]] + [0]
    np.testing.assert_allclose(third, want, rtol=2e-6, atol=0)


SOFTMAX_EDGES = [  # logits, label, loss, gradient
    ([40, 0, 0], 0, 8.496708e-18, [-8.496708e-18, 4.248354e-18, 4.248354e-18]),
    ([-INF, 1, 2], 1, 1.3132616, [0, -0.7310586, 0.7310586]),
    ([-INF, 1, 2], 0, INF, [-1, 0.2689414, 0.7310586]),
    ([INF, 0, 1], 0, 0, [0, 0, 0]),
    ([INF, 0, 1], 1, INF, [1, -1, 0]),
    ([INF, INF, 0], 0, NAN, [NAN, NAN, NAN]),
    ([-INF, -INF, -INF], 0, NAN, [NAN, NAN, NAN]),
    ([NAN, 0, 0], 1, NAN, [NAN, NAN, NAN]),
    ([3e38, -3e38, 0], 0, 0, [0, 0, 0]),
]


def test_softmax_edges(mode):
    x = np.float32([row[0] for row in SOFTMAX_EDGES])
    y = np.array([row[1] for row in SOFTMAX_EDGES])
    results = [
        mode(derived(lambda x: sparse(x, y)))(tf.constant(x)),
        mode(derived(softmax))(tf.constant(x), tf.one_hot(y, 3)),
    ]
    for loss, (slope, *_) in results:
        np.testing.assert_allclose(loss, np.float32([row[2] for row in SOFTMAX_EDGES]), rtol=4e-7, atol=0)
        np.testing.assert_allclose(slope, np.float32([row[3] for row in SOFTMAX_EDGES]), rtol=4e-7, atol=0)


# --- accuracy --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_against_the_definition(formula_mode, dtype):
    random = np.random.default_rng(7)
    far = 86 if dtype is np.float32 else 700  # beyond it the small results are subnormal, and flushed
    x = np.concatenate([random.uniform(-far, far, 150), random.uniform(-2, 2, 150), random.normal(size=50) * 1e-4])
    x = x.astype(dtype)
    z = (random.random(x.size) < 0.5).astype(dtype)
    loss, (slope, _) = formula_mode(derived(sigmoid))(tf.constant(x), tf.constant(z))
    values = zip(x, z, loss.numpy(), slope.numpy(), strict=True)
    errors = [(ulps(v, oracle.loss(a, b), dtype), ulps(g, oracle.gradient(a, b), dtype)) for a, b, v, g in values]
    worst = np.max(errors, axis=0)
    assert worst[0] <= BOUNDS["loss"]
    assert worst[1] <= BOUNDS["gradient"]


def test_bounds_over_many_logits(formula_mode):
    """Held against float64 kernels, whose error is nothing here."""
    random = np.random.default_rng(8)
    x = np.concatenate([random.uniform(-86, 86, 50_000), random.uniform(-3, 3, 50_000)]).astype(np.float32)
    for z in ((random.random(x.size) < 0.5).astype(np.float32), random.random(x.size, np.float32)):
        loss, slope = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x.astype(np.float64))
        got_loss, (got_slope, _) = formula_mode(derived(sigmoid))(tf.constant(x), tf.constant(z))
        unit = np.spacing(abs(loss.astype(np.float32)))
        assert (abs(got_loss.numpy() - loss) / unit).max() <= BOUNDS["loss"]
        unit = np.where((z == 0) | (z == 1), BOUNDS["gradient"] * np.spacing(abs(slope.astype(np.float32))), 2.0**-23)
        assert (abs(got_slope.numpy() - slope) / unit).max() <= 1


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize("spread", [1, 10, 40])
def test_softmax_bounds(formula_mode, classes, spread):
    random = np.random.default_rng(9)
    x = (random.normal(size=(20_000 // classes, classes)) * spread).astype(np.float32)
    y = np.where(random.random(len(x)) < 0.5, x.argmax(-1), random.integers(0, classes, len(x)))
    truth = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x.astype(np.float64))
    loss, (slope,) = formula_mode(derived(lambda x: sparse(x, y)))(tf.constant(x))
    for got, want, bound in zip(
        (loss, slope), truth, (BOUNDS["softmax loss"], BOUNDS["softmax gradient"]), strict=True
    ):
        normal = abs(want) > 2.0**-100  # below, what corrects the exponent is subnormal, and flushed
        unit = np.spacing(abs(want.astype(np.float32)))
        assert (abs(got.numpy() - want) / unit)[normal].max() <= bound


@pytest.mark.parametrize("dtype", [np.float16, BFLOAT16])
def test_halves_are_computed_in_float32(formula_mode, dtype):
    """So that they are as good as rounded once: 0.5 and the error of float32."""
    x = np.linspace(-9, 9, 2001).astype(dtype)
    z = (np.arange(x.size) % 2).astype(dtype)
    loss, (slope, _) = formula_mode(derived(sigmoid))(tf.constant(x), tf.constant(z))
    assert loss.dtype == slope.dtype == dtype
    values = list(zip(x, z, loss.numpy(), slope.numpy(), strict=True))[::7]
    assert max(ulps(v, oracle.loss(a, b), dtype) for a, b, v, _ in values) <= 0.501
    assert max(ulps(g, oracle.gradient(a, b), dtype) for a, b, _, g in values) <= 0.501


def test_subnormal_results():
    """The kernel keeps them; TensorFlow's threads and XLA flush them to 0, and with them its product with 1."""
    x, z = tf.constant([90.0]), tf.constant([1.0])
    assert sigmoid(x, z).numpy() == np.float32(8.1940087e-40)
    assert logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)[1].numpy() == np.float32(-8.1940087e-40)
    for jit_compile in (False, True):
        assert tf.function(sigmoid, jit_compile=jit_compile, autograph=False)(x, z).numpy() == 0


# --- eager tensors: the kernels --------------------------------------------------------------------------------------

LABELS = [np.bool_, np.int8, np.uint16, np.int32, np.int64, np.uint64, np.float16, BFLOAT16, np.float32, np.float64]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("labels", LABELS, ids=lambda d: np.dtype(d).name)
def test_the_bits_are_those_of_numpy(dtype, labels):
    random = np.random.default_rng(3)
    x = (random.normal(size=(7, 5)) * 20).astype(dtype)
    z = (random.random((7, 5)) < 0.5).astype(labels)
    weight = random.random(5) * 3
    for name, extra in [
        ("sigmoid_cross_entropy_with_logits", {}),
        ("sigmoid_cross_entropy_value_and_grad", {}),
        ("sigmoid_cross_entropy_grad_and_hess", {}),
        ("sigmoid_cross_entropy_mean_and_grad", {}),
        ("weighted_cross_entropy_with_logits", {"pos_weight": weight}),
        ("softmax_cross_entropy_with_logits", {}),
        ("softmax_cross_entropy_value_and_grad", {"axis": 0}),
        ("softmax_cross_entropy_mean_and_grad", {"axis": -2}),
    ]:
        function = getattr(logitloss, name)
        want = outputs(function(labels=z, logits=x, **extra))
        for given in (tf.constant(z), z):
            got = outputs(function(labels=given, logits=tf.constant(x), **extra))
            assert [g.dtype for g in got] == [w.dtype for w in want]
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(bits(g), bits(w), err_msg=name)
    total = logitloss.sigmoid_cross_entropy_total(labels=tf.constant(z), logits=tf.constant(x))
    assert total == logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("labels", [np.int8, np.uint8, np.int32, np.int64])
def test_the_bits_of_sparse_losses(dtype, labels):
    x = (np.random.default_rng(4).normal(size=(3, 2, 6)) * 9).astype(dtype)
    y = np.array([[0, 5], [2, 1], [3, 3]], labels)
    for kind in ("with_logits", "value_and_grad", "mean_and_grad"):
        function = getattr(logitloss, f"sparse_softmax_cross_entropy_{kind}")
        want = outputs(function(labels=y, logits=x))
        for g, w in zip(outputs(function(labels=tf.constant(y), logits=tf.constant(x))), want, strict=True):
            np.testing.assert_array_equal(bits(g), bits(w))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (2, 3, 4)])
def test_shapes_and_variables(mode, dtype, shape):
    x = np.full(shape, 2).astype(dtype)
    for logits in (tf.constant(x), tf.Variable(x)):
        got, (slope,) = mode(derived(lambda x: sigmoid(x, tf.ones(shape))))(tf.convert_to_tensor(logits))
        assert got.shape == slope.shape == shape
        assert got.dtype == slope.dtype == dtype
        assert logitloss.sigmoid_cross_entropy_with_logits(labels=np.ones(shape), logits=logits).shape == shape


def test_memory_is_shared_and_aligned():
    """TensorFlow ends the process when an operation meets a tensor that does not begin at a multiple of 64 bytes."""
    for n in (1, 3, 1000, 2**20 + 1):
        array = ops.aligned_array([n], tf.float32)
        array[:] = 1
        tensor = ops.to_tensor(array)
        assert ops.array(tensor).ctypes.data == array.ctypes.data
        assert array.ctypes.data % 64 == 0
        assert float(tf.reduce_sum(tf.exp(tensor) * 0 + tensor)) == n


def test_inputs_are_not_changed():
    x, z = tf.constant([1.0, -2.0]), tf.constant([1.0, 0.0])
    sigmoid(x, z), sparse(tf.stack([x, z]), [0, 1])
    np.testing.assert_array_equal(x, [1, -2])
    np.testing.assert_array_equal(z, [1, 0])
