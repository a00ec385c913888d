"""xent.tensorflow: the documented examples, values and derivatives in every mode, what is refused and how.

The values of TensorFlow's own tests (tensorflow/python/ops/nn_xent_test.py and
tensorflow/python/kernel_tests/nn_ops/xent_op_test_base.py, sparse_xent_op_test_base.py; Apache License 2.0) are written
anew here, where they are the inputs of a test.
"""

import inspect
import logging
import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

import oracle
import xent
from oracle import BFLOAT16, DTYPES, bits, ulps

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tf = pytest.importorskip("tensorflow")

import xent.tensorflow as host  # noqa: E402
from xent import _tensorflow as ops  # noqa: E402

MODES = ["eager", "device", "graph", "xla"]
LOSSES = [
    "sigmoid_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_with_logits",
]
LN2 = np.float32(0.6931472)
INF, NAN = np.inf, np.nan


@pytest.fixture(params=MODES)
def mode(request, monkeypatch):
    """A way to run a function of tensors: by the kernels; eagerly on a device they cannot read; traced; compiled."""
    if request.param == "eager":
        return lambda function: function
    if request.param == "device":
        monkeypatch.setattr(ops, "readable", lambda x: False)
        return lambda function: function
    return lambda function: tf.function(function, jit_compile=request.param == "xla", autograph=False)


def derived(function, order=1):
    """The function's values and its derivatives with respect to all arguments, those of the sum of the previous."""

    def run(*arguments):
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments) if order == 1 else derived(function, order - 1)(*arguments)[-1][0]
        return value, tape.gradient(value, arguments)

    return run


def sigmoid(x, z):
    return xent.sigmoid_cross_entropy_with_logits(labels=z, logits=x)


def weighted(x, z, w):
    return xent.weighted_cross_entropy_with_logits(labels=z, logits=x, pos_weight=w)


def softmax(x, z):
    return xent.softmax_cross_entropy_with_logits(labels=z, logits=x)


def sparse(x, y):
    return xent.sparse_softmax_cross_entropy_with_logits(labels=y, logits=x)


def ulps_apart(a, b):
    """How many float32 numbers two arrays are apart at most."""
    steps = [np.where(i < 0, -(2**31) - i, i) for i in (np.float32(x).view(np.int32).astype(np.int64) for x in (a, b))]
    return abs(steps[0] - steps[1]).max()


def outputs(result):
    return [
        t.numpy() if hasattr(t, "numpy") else np.asarray(t) for t in (result if isinstance(result, tuple) else [result])
    ]


# --- the documents ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LOSSES)
def test_signatures(name):
    def arguments(function):
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    assert arguments(getattr(host, name)) == arguments(getattr(tf.nn, name))


@pytest.mark.parametrize("library", [host, xent], ids=["xent.tensorflow", "xent"])
def test_the_page_of_tensorflow_1(mode, library):
    logits = tf.constant([1.0, -1.0, 0.0, 1.0, -1.0, 0.0, 0.0])
    labels = tf.constant([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.5])
    got = mode(lambda z, x: library.sigmoid_cross_entropy_with_logits(labels=z, logits=x))(labels, logits)
    documented = [1.3132617, 0.3132617, 0.6931472, 0.3132617, 1.3132617, 0.6931472, 0.6931472]
    assert isinstance(got, tf.Tensor)
    assert ulps_apart(got, documented) <= 1


@pytest.mark.parametrize("library", [host, xent], ids=["xent.tensorflow", "xent"])
def test_the_page_of_tensorflow_2(mode, library):
    """As it is documented, but for the name of the module."""

    def losses(sigmoid_logits):
        softmax_logits = tf.stack([sigmoid_logits, tf.zeros_like(sigmoid_logits)], axis=-1)
        soft_binary_labels = tf.constant([1.0, 1.0, 0.0])
        soft_multiclass_labels = tf.stack([soft_binary_labels, 1.0 - soft_binary_labels], axis=-1)
        hard_labels = tf.constant([0, 0, 1])
        return (
            library.sparse_softmax_cross_entropy_with_logits(labels=hard_labels, logits=softmax_logits),
            library.softmax_cross_entropy_with_logits(labels=soft_multiclass_labels, logits=softmax_logits),
            library.sigmoid_cross_entropy_with_logits(labels=soft_binary_labels, logits=sigmoid_logits),
        )

    for got in mode(losses)(tf.constant([1.0, -1.0, 0.0])):
        assert ulps_apart(got, [0.31326166, 1.3132616, 0.6931472]) <= 1


def test_the_three_forms_agree():
    """To the bit: correctly rounded. The page prints 0.31326166 for the first, one unit off."""
    x = tf.constant([1.0, -1.0, 0.0])
    z = tf.constant([1.0, 1.0, 0.0])
    pairs = tf.stack([x, tf.zeros_like(x)], axis=-1)
    for got in (sigmoid(x, z), softmax(pairs, tf.stack([z, 1 - z], -1)), sparse(pairs, tf.constant([0, 0, 1]))):
        np.testing.assert_array_equal(got, np.float32([0.3132617, 1.3132616, 0.6931472]))


def test_the_weighted_page(mode):
    labels, logits = tf.constant([1.0, 0.5, 0.0]), tf.constant([1.5, -0.1, -10.0])
    for weight, want in (
        (1.5, [3.0211994e-01, 8.8049585e-01, 4.5398901e-05]),
        (0.5, [1.00706644e-01, 5.08297503e-01, 4.5398901e-05]),
    ):  # the page prints 4.5776367e-05 for the last, 69 thousand units off
        got = mode(weighted)(logits, labels, tf.constant(weight))
        assert ulps_apart(got, want) <= 3


def test_values_of_tensorflows_own_tests(mode):
    x = tf.constant([-100.0, -2.0, -2.0, 0.0, 2.0, 2.0, 2.0, 100.0], tf.float64)
    z = tf.constant([0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.5, 1.0], tf.float64)
    want = [float(oracle.loss(a, b)) for a, b in zip(x.numpy(), z.numpy(), strict=True)]
    np.testing.assert_allclose(mode(sigmoid)(x, z), want, rtol=2e-15, atol=0)
    want = [float(oracle.loss(a, b, 2)) for a, b in zip(x.numpy(), z.numpy(), strict=True)]
    np.testing.assert_allclose(mode(weighted)(x, z, tf.constant(2.0, tf.float64)), want, rtol=2e-15, atol=0)
    _, (slope, _) = mode(derived(sigmoid))(tf.zeros([2, 1], tf.float64), tf.constant([[0.0], [1.0]], tf.float64))
    np.testing.assert_array_equal(slope, [[0.5], [-0.5]])

    x = tf.constant([[1.0, 1, 1, 1], [1, 2, 3, 4]])
    loss, (slope, _) = mode(derived(softmax))(x, tf.constant([[0.0, 0, 0, 1], [0, 0.5, 0.5, 0]]))
    np.testing.assert_allclose(loss, [1.3862944, 1.9401897], rtol=3e-7)
    np.testing.assert_allclose(
        slope, [[0.25, 0.25, 0.25, -0.75], [0.0320586, -0.4128557, -0.2631171, 0.6439143]], rtol=3e-7, atol=3e-8
    )
    y = tf.constant([3, 0])
    loss, (slope,) = mode(derived(lambda x: sparse(x, y)))(x)
    np.testing.assert_allclose(loss, [1.3862944, 3.4401897], rtol=3e-7)
    np.testing.assert_allclose(
        slope, [[0.25, 0.25, 0.25, -0.75], [-0.9679414, 0.0871443, 0.2368828, 0.6439143]], rtol=3e-6, atol=0
    )


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


def test_what_is_masked_stays_out_of_the_gradient(mode):
    """A selection behind the loss leaves an upstream gradient of 0, also where the loss is nan."""
    x = tf.constant([1.0, NAN, INF, -INF])
    keep = [True, False, False, False]
    rows = tf.stack([x, tf.zeros(4), tf.ones(4)], -1)
    cases = [
        (sigmoid, (x, tf.constant([0.0, 1, 0.5, 0.5]))),
        (weighted, (x, tf.constant([0.0, 1, 0.5, 0.5]), tf.fill([4], 2.0))),
        (softmax, (rows, tf.one_hot([0, 1, 2, 0], 3))),
        (lambda rows: sparse(rows, [0, 1, 2, 0]), (rows,)),
    ]
    for function, arguments in cases:
        _, slopes = mode(derived(lambda *a, f=function: tf.where(keep, f(*a), 0.0)))(*arguments)
        for slope in slopes:
            assert np.isfinite(slope).all()
            assert (slope.numpy()[1:] == 0).all()


# --- accuracy --------------------------------------------------------------------------------------------------------

BOUNDS = {"loss": 5, "gradient": 3, "softmax loss": 5, "softmax gradient": 8}
"""Of traced float32 and float64, in ulp; the gradients for hard labels. docs/hosts/tensorflow.md states them."""


@pytest.fixture(params=["device", "graph", "xla"])
def formula_mode(request, monkeypatch):
    monkeypatch.setattr(ops, "readable", lambda x: False)
    return lambda f: (
        f if request.param == "device" else tf.function(f, jit_compile=request.param == "xla", autograph=False)
    )


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
        loss, slope = xent.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x.astype(np.float64))
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
    truth = xent.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x.astype(np.float64))
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
    assert xent.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)[1].numpy() == np.float32(-8.1940087e-40)
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
        function = getattr(xent, name)
        want = outputs(function(labels=z, logits=x, **extra))
        for given in (tf.constant(z), z):
            got = outputs(function(labels=given, logits=tf.constant(x), **extra))
            assert [g.dtype for g in got] == [w.dtype for w in want]
            for g, w in zip(got, want, strict=True):
                np.testing.assert_array_equal(bits(g), bits(w), err_msg=name)
    total = xent.sigmoid_cross_entropy_total(labels=tf.constant(z), logits=tf.constant(x))
    assert total == xent.sigmoid_cross_entropy_total(labels=z, logits=x)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("labels", [np.int8, np.uint8, np.int32, np.int64])
def test_the_bits_of_sparse_losses(dtype, labels):
    x = (np.random.default_rng(4).normal(size=(3, 2, 6)) * 9).astype(dtype)
    y = np.array([[0, 5], [2, 1], [3, 3]], labels)
    for kind in ("with_logits", "value_and_grad", "mean_and_grad"):
        function = getattr(xent, f"sparse_softmax_cross_entropy_{kind}")
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
        assert xent.sigmoid_cross_entropy_with_logits(labels=np.ones(shape), logits=logits).shape == shape


def test_memory_is_shared_and_aligned():
    """TensorFlow ends the process when an operation meets a tensor that does not begin at a multiple of 64 bytes."""
    for n in (1, 3, 1000, 2**20 + 1):
        array = ops.memory([n], tf.float32)
        array[:] = 1
        tensor = ops.owner(array)
        assert ops.array(tensor).ctypes.data == array.ctypes.data
        assert array.ctypes.data % 64 == 0
        assert float(tf.reduce_sum(tf.exp(tensor) * 0 + tensor)) == n


def test_inputs_are_not_changed():
    x, z = tf.constant([1.0, -2.0]), tf.constant([1.0, 0.0])
    sigmoid(x, z), sparse(tf.stack([x, z]), [0, 1])
    np.testing.assert_array_equal(x, [1, -2])
    np.testing.assert_array_equal(z, [1, 0])


# --- derivatives -----------------------------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(3, 4)) * 2
Z = np.random.default_rng(2).random((3, 4))
FUNCTIONS = {
    "sigmoid": (sigmoid, [X, Z]),
    "weighted": (weighted, [X, Z, np.array(3.0)]),
    "weights": (weighted, [X, Z, np.array([0.5, 2, 1, 3])]),
    "softmax": (softmax, [X, Z]),
    "one distribution": (softmax, [X, Z[0]]),
    "axis": (lambda x, z: xent.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=0), [X, Z]),
    "sparse": (lambda x: sparse(x, [0, 3, 1]), [X]),
    "value and gradient": (lambda x, z: sum(xent.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)), [X, Z]),
    "gradient and hessian": (lambda x, z: sum(xent.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)), [X, Z]),
    "softmax gradient": (lambda x, z: xent.softmax_cross_entropy_value_and_grad(labels=z, logits=x)[1], [X, Z]),
    "sparse gradient": (
        lambda x: xent.sparse_softmax_cross_entropy_value_and_grad(labels=[0, 3, 1], logits=x)[1],
        [X],
    ),
}


def close(theoretical, numerical):
    for one, other in zip(theoretical, numerical, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_differences(mode, name):
    """TensorFlow's own checker, of the function and of its gradient times weights that tell the elements apart."""
    function, arguments = FUNCTIONS[name]
    close(*tf.test.compute_gradient(mode(function), arguments, delta=1e-5))

    def slopes(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
            value *= tf.reshape(np.cos(np.arange(value.shape.num_elements())), value.shape)
        return tape.gradient(value, inputs)

    for i in range(len(arguments)):
        close(*tf.test.compute_gradient(mode(lambda *a, i=i: slopes(*a)[i]), arguments, delta=1e-5))


def test_labels_of_other_dtypes_have_gradients_of_their_own(mode):
    x = tf.constant([1.0, 2.0])
    _, (_, by_label) = mode(derived(sigmoid))(x, tf.constant([0.0, 1.0], tf.float64))
    assert by_label.dtype == tf.float64
    np.testing.assert_array_equal(by_label, [-1, -2])
    _, (slope, none) = mode(derived(sigmoid))(x, tf.constant([0, 1]))
    assert none is None
    np.testing.assert_allclose(slope, [0.7310586, -0.1192029], rtol=3e-7)


def test_wide_labels_count_in_full(mode):
    """1 - 2^-30 is no float32."""
    got = mode(sigmoid)(tf.constant([2.0**20]), tf.constant([1 - 2.0**-30], tf.float64))
    np.testing.assert_allclose(got, [2.0**-10], rtol=3e-7)


def test_forward_mode():
    """Eagerly. In tf.function, TensorFlow derives the operations themselves: see docs/hosts/tensorflow.md."""
    x, v = tf.constant([-30.0, 0.0, 20.0]), tf.constant([1.0, 2.0, 4.0])
    with tf.autodiff.ForwardAccumulator(x, v) as forward:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = sigmoid(x, tf.constant([0.0, 0.5, 1.0]))
        slope = tape.gradient(loss, x)
    np.testing.assert_allclose(forward.jvp(loss), [9.3576230e-14, 0, -8.2446149e-09], rtol=1e-6)
    np.testing.assert_allclose(forward.jvp(slope), [9.3576230e-14, 0.5, 8.2446149e-09], rtol=1e-6)


def test_jacobians_and_vectorized_maps():
    x, z = tf.constant([-30.0, 0.0, 20.0]), tf.constant([0.0, 0.5, 1.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = sigmoid(x, z)
    np.testing.assert_allclose(np.diag(tape.jacobian(loss, x)), [9.3576230e-14, 0, -2.0611537e-09], rtol=1e-6)
    mapped = tf.vectorized_map(lambda pair: sigmoid(*pair), (x, z))
    assert ulps_apart(mapped, loss) <= BOUNDS["loss"]


def test_mean_and_total():
    x, z = np.float16([1, -2, 3]), [1, 0, 0]
    mean, slope = xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=tf.constant(x))
    assert mean == xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)[0]
    traced = tf.function(lambda x: xent.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x))
    got = traced(tf.constant(x))
    assert got[0].dtype == tf.float32
    np.testing.assert_allclose(got[0], mean, rtol=1e-6)
    np.testing.assert_array_equal(got[1], slope)
    assert np.isnan(xent.sigmoid_cross_entropy_mean_and_grad(labels=[], logits=tf.zeros(0))[0])
    rows = tf.constant([[1.0, 2], [3, 5]])
    for name, labels in (("softmax", [[1.0, 0], [0, 1]]), ("sparse_softmax", [0, 1])):
        function = getattr(xent, f"{name}_cross_entropy_mean_and_grad")
        eager, compiled = function(labels=labels, logits=rows), tf.function(function)(labels=labels, logits=rows)
        np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-6)
        np.testing.assert_allclose(compiled[1], eager[1], rtol=1e-6)


# --- graphs ----------------------------------------------------------------------------------------------------------


def test_names():
    """As TensorFlow's: the operation that returns the loss has the name; the default is logistic_loss."""
    with tf.Graph().as_default():
        x, rows = tf.zeros(3), tf.zeros([2, 3])
        assert host.sigmoid_cross_entropy_with_logits(x, x, name="mylogistic").op.name == "mylogistic"
        assert host.sigmoid_cross_entropy_with_logits(x, x).op.name == "logistic_loss"
        assert host.weighted_cross_entropy_with_logits(x, x, 2.0, name="mine").op.name == "mine"
        assert host.softmax_cross_entropy_with_logits(rows, rows, name="soft").op.name == "soft"
        assert host.sparse_softmax_cross_entropy_with_logits([0, 1], rows, name="hard").op.name == "hard"
        scopes = {op.name.partition("/")[0] for op in x.graph.get_operations()}
        assert {"mylogistic", "logistic_loss", "mine", "soft", "hard"} <= scopes


def traced(function, *specs, jit_compile=False):
    return tf.function(function, input_signature=specs, jit_compile=jit_compile, autograph=False)


UNKNOWN, VECTOR = tf.TensorSpec(None), tf.TensorSpec([None])


@pytest.mark.parametrize("jit_compile", [False, True])
def test_unknown_dimensions(jit_compile):
    """Shapes that are known only when the graph runs are held against each other then, and never broadcast."""
    refused = tf.errors.InvalidArgumentError
    for spec in (UNKNOWN, VECTOR):
        run = traced(sigmoid, spec, spec, jit_compile=jit_compile)
        assert run(tf.zeros(3), tf.zeros(3)).shape == 3
        with pytest.raises(refused):
            run(tf.zeros(3), tf.zeros(1))
        with pytest.raises(refused):
            run(tf.zeros(1), tf.zeros(3))
    run = traced(sigmoid, UNKNOWN, UNKNOWN, jit_compile=jit_compile)
    assert run(tf.zeros(()), tf.zeros(())).shape == ()
    for shapes in ([(3,), (3, 1)], [(3, 1), (3,)], [(), (2,)], [(2,), ()]):
        with pytest.raises(refused):
            run(*map(tf.zeros, shapes))

    for axis in (-1, 0, 1, -2):
        run = traced(
            lambda x, z, axis=axis: xent.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=axis),
            UNKNOWN,
            UNKNOWN,
            jit_compile=jit_compile,
        )
        x = np.arange(6.0, dtype=np.float32).reshape(2, 3)
        for z in (x / 3, x[0], x[:, :1]):
            want = xent.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=axis)
            np.testing.assert_allclose(run(x, z), want, rtol=3e-7)
        with pytest.raises(refused):
            run(x[:1], x)

    run = traced(sparse, UNKNOWN, tf.TensorSpec(None, tf.int32), jit_compile=jit_compile)
    np.testing.assert_allclose(
        run(x, [2, 0]), xent.sparse_softmax_cross_entropy_with_logits(labels=[2, 0], logits=x), rtol=3e-7
    )
    for x_shape, y in ([(3, 2), [0]], [(1, 2), [0, 1]], [(2, 2), [[0], [1]]], [(1, 0), [0]]):
        with pytest.raises(refused):
            run(tf.zeros(x_shape), y)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_labels_that_are_no_class(jit_compile):
    """An error where values are known; nan, in the loss and its gradient, where they are not."""
    y = tf.constant([0, 2, -1, 1])
    loss, (slope,) = tf.function(lambda x, y: derived(lambda x: sparse(x, y))(x), jit_compile=jit_compile)(
        tf.zeros([4, 2]), y
    )
    np.testing.assert_array_equal(np.isnan(loss), [False, True, True, False])
    np.testing.assert_array_equal(np.isnan(slope).all(-1), [False, True, True, False])
    np.testing.assert_array_equal(slope[0], [-0.5, 0.5])
    with pytest.raises(ValueError, match=r"^labels must be class indices from 0 to 1, got 2 at labels\[1\]"):
        sparse(tf.zeros([4, 2]), y)


def test_autograph_reads_the_public_functions(caplog):
    """Without a warning: it translates what tf.function calls."""

    def step(x):
        return [
            sigmoid(x, x),
            weighted(x, x, 2.0),
            softmax(x, x),
            sparse(x[None], [0]),
            *xent.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x),
            *xent.sigmoid_cross_entropy_grad_and_hess(labels=x, logits=x),
            *xent.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x),
            *xent.softmax_cross_entropy_value_and_grad(labels=x, logits=x),
            *xent.sparse_softmax_cross_entropy_value_and_grad(labels=0, logits=x),
        ]

    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, logger.name):
            tf.function(step)(tf.constant([1.0, 2.0]))
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records


def test_saved_models_keep_the_gradient(tmp_path):
    module = tf.Module()
    module.weights = tf.Variable([1.0, 2.0])
    module.loss = traced(lambda x: sigmoid(x * module.weights, tf.ones_like(x)), tf.TensorSpec([None, 2]))
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    with tf.GradientTape() as tape:
        loss = loaded.loss(tf.constant([[20.0, 10.0]]))
    np.testing.assert_allclose(
        tape.gradient(loss, loaded.weights), [-20 * 2.0611537e-09, -10 * 2.0611537e-09], rtol=1e-6
    )


# --- what is refused -------------------------------------------------------------------------------------------------

S = tf.zeros
REFUSED = [  # made when they are used: the first tensor of a process fixes its threads, which the benchmark's tests set
    (sigmoid, lambda: (S([1, 2]), S(3)), ValueError, "`logits` and `labels` must have the same shape, received ((1, 2) vs (3,)). Reshape one."),
    (weighted, lambda: (S([2, 1]), S(3), 2.0), ValueError, "`logits` and `labels` must have the same shape, received ((2, 1) vs (3,)). Reshape one."),
    (weighted, lambda: (S(3), S(3), S([2, 3])), ValueError, "pos_weight must broadcast to the shape of logits without enlarging it, got (2, 3) for logits of shape (3,). Pass a scalar or one weight per last axis."),
    (weighted, lambda: (S(3), S(3), "2"), TypeError, "pos_weight must be a float of at most 64 bits, an integer or bool, got dtype string. Convert with tf.cast(pos_weight, tf.float64)."),
    (sigmoid, lambda: (S(3), None), ValueError, "both labels and logits must be provided, labels missing. Pass both."),
    (sigmoid, lambda: (S(2, tf.int32), S(2)), TypeError, "logits must be float16, bfloat16, float32 or float64, got dtype int32. Convert with tf.cast(logits, tf.float32)."),
    (sigmoid, lambda: (S(2, tf.complex64), S(2)), TypeError, "logits must be float16, bfloat16, float32 or float64, got dtype complex64. Convert with tf.cast(logits, tf.float32)."),
    (sigmoid, lambda: (S(2), S(2, tf.complex64)), TypeError, "labels must be a float of at most 64 bits, an integer or bool, got dtype complex64. Convert with tf.cast(labels, tf.float64)."),
    (sigmoid, lambda: (tf.ragged.constant([[1.0], []]), S(2)), TypeError, "logits must be a dense tensor, got a RaggedTensor. Apply the function to its values, as tf.ragged.map_flat_values does."),
    (softmax, lambda: (S([2, 3]), S([2, 2])), ValueError, "labels must have the shape of logits, or broadcast to it without enlarging it, got (2, 2) for logits of shape (2, 3). Reshape the labels."),
    (softmax, lambda: (S(()), S(())), ValueError, "logits must have an axis of classes, got shape (). Pass one logit per class."),
    (softmax, lambda: (S([2, 0]), S([2, 0])), ValueError, "logits must have at least one class, got shape (2, 0) with none along axis -1. A softmax over nothing is not defined."),
    (sparse, lambda: (S([1, 3]), [1.0]), TypeError, "labels must be integer class indices, got dtype float32. Convert with tf.cast(labels, tf.int64)."),
    (sparse, lambda: (S(()), 0), ValueError, "`logits` cannot be a scalar. Received logits=0.0. Pass one logit per class."),
    (sparse, lambda: (S([2, 3]), [[0], [1]]), ValueError, "`labels.shape.rank` must equal `logits.shape.rank - 1`. Received: labels.shape=(2, 1) of rank 2 and logits.shape=(2, 3) of rank 2. Reshape one."),
    (sparse, lambda: (S([2, 3]), [0]), ValueError, "`labels.shape` must equal `logits.shape` except for the last dimension. Received: labels.shape=(1,) and logits.shape=(2, 3). Reshape one."),
    (sparse, lambda: (S([2, 0]), [0, 0]), ValueError, "logits must have at least one class, got shape (2, 0) with none along axis -1. A softmax over nothing is not defined."),
]  # fmt: skip


@pytest.mark.parametrize(("function", "arguments", "error", "text"), REFUSED)
def test_refusals(function, arguments, error, text):
    with pytest.raises(error) as raised:
        function(*arguments())
    assert str(raised.value) == text


def test_refused_while_traced():
    with pytest.raises(ValueError, match=r"must have the same shape, received \(\(1, 2\) vs \(3,\)\)"):
        tf.function(sigmoid)(tf.zeros([1, 2]), tf.zeros(3))
    with pytest.raises(ValueError, match="Dimensions must be equal, but are 2 and 3"):
        tf.function(weighted)(tf.zeros(3), tf.zeros(3), tf.zeros(2))
    with pytest.raises(
        TypeError,
        match=r"labels and logits must be eager tensors to be summed exactly, got symbolic ones. Call it outside of tf\.function, or sum the losses with tf\.reduce_sum",
    ):
        tf.function(lambda x: xent.sigmoid_cross_entropy_total(labels=x, logits=x))(tf.zeros(3))


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "sparse_softmax"])
def test_no_place_for_a_gradient(name):
    function = getattr(xent, f"{name}_cross_entropy_mean_and_grad")
    labels = [0, 0] if name == "sparse_softmax" else [[1, 0], [0, 1]]
    with pytest.raises(TypeError) as raised:
        function(labels=labels, logits=tf.zeros([2, 2]), out=np.empty((2, 2), np.float32))
    assert (
        str(raised.value)
        == "out must be None for tensors, which own their memory, got ndarray. Take the gradient that is returned."
    )


def test_ragged_tensors_by_their_values():
    ragged = tf.ragged.constant([[1.0, -1.0], [], [0.0]])
    got = tf.ragged.map_flat_values(lambda x: sigmoid(x, tf.ones_like(x)), ragged)
    np.testing.assert_array_equal(got.flat_values, np.float32([0.3132617, 1.3132616, 0.6931472]))


def test_it_imports_no_other_framework():
    """None but those that TensorFlow imports by itself."""
    code = (
        "import sys, tensorflow; before = set(sys.modules); import xent.tensorflow; print(*set(sys.modules) - before)"
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    packages = {name.partition(".")[0] for name in got.stdout.split()}
    assert "xent" in packages
    assert not packages & {"torch", "jax", "jaxlib", "keras", "sklearn", "xgboost", "lightgbm", "catboost", "cupy"}


# --- docs/hosts/tensorflow.md ----------------------------------------------------------------------------------------

PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "hosts" / "tensorflow.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```\n\n```\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("code", "output"), BLOCKS)
def test_the_page_prints_what_it_shows(code, output, capsys):
    exec(compile(code, "docs/hosts/tensorflow.md", "exec"), {})
    assert capsys.readouterr().out == output


def test_the_page_has_examples():
    assert len(BLOCKS) == PAGE.count("```python") == 2


def test_what_the_page_says_of_tf_nn():
    """TensorFlow's side of its table; ours is tested above."""

    def slope(function, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = function(x)
        return tape.gradient(loss, x).numpy()

    nn, one = tf.nn, tf.ones(1)
    step = derived(lambda x: nn.sigmoid_cross_entropy_with_logits(labels=one, logits=x))
    assert tf.function(step, autograph=False)(tf.constant([20.0]))[1][0].numpy() == 0
    assert np.isnan(nn.sigmoid_cross_entropy_with_logits(labels=one, logits=tf.constant([INF])))
    absent = tf.constant([[-INF, 1.0, 2.0]])
    assert np.isnan(nn.softmax_cross_entropy_with_logits(labels=[[0.0, 1.0, 0.0]], logits=absent))
    sparse_slope = slope(
        lambda x: nn.sparse_softmax_cross_entropy_with_logits(labels=[0], logits=x), tf.constant([[40.0, 0.0]])
    )
    np.testing.assert_allclose(sparse_slope, [[0, 4.2483541e-18]], rtol=1e-6)
    assert slope(lambda x: nn.weighted_cross_entropy_with_logits(one, x, 3.0), tf.zeros(1)) == 0
    assert (
        slope(lambda x: xent.weighted_cross_entropy_with_logits(labels=one, logits=x, pos_weight=3.0), tf.zeros(1))
        == -1.5
    )
