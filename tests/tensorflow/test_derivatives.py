"""logitloss.tensorflow: derivatives of any order, in every mode; means and totals."""

import numpy as np
import pytest

import logitloss

from . import support as tensorflow_host
from .support import BOUNDS, INF, NAN, derived, sigmoid, softmax, sparse, tf, ulps_apart, weighted

mode = tensorflow_host.mode


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


# --- derivatives -----------------------------------------------------------------------------------------------------

X = np.random.default_rng(1).normal(size=(3, 4)) * 2
Z = np.random.default_rng(2).random((3, 4))
FUNCTIONS = {
    "sigmoid": (sigmoid, [X, Z]),
    "weighted": (weighted, [X, Z, np.array(3.0)]),
    "weights": (weighted, [X, Z, np.array([0.5, 2, 1, 3])]),
    "softmax": (softmax, [X, Z]),
    "one distribution": (softmax, [X, Z[0]]),
    "axis": (lambda x, z: logitloss.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=0), [X, Z]),
    "sparse": (lambda x: sparse(x, [0, 3, 1]), [X]),
    "value and gradient": (
        lambda x, z: sum(logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)),
        [X, Z],
    ),
    "gradient and hessian": (
        lambda x, z: sum(logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)),
        [X, Z],
    ),
    "softmax gradient": (lambda x, z: logitloss.softmax_cross_entropy_value_and_grad(labels=z, logits=x)[1], [X, Z]),
    "sparse gradient": (
        lambda x: logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=[0, 3, 1], logits=x)[1],
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


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_weights_and_wide_labels_count_in_full(mode, dtype):
    """A weight that is no float16, and 1 - 2^-30, which is no float32; 1 - 2^-12 is no float16."""
    x, z = np.array([5, -3, 40.0]), np.array([1, 0.5, 1 - (2.0**-12 if dtype == "float16" else 2.0**-30)])
    weights = np.array([1e5, 2.0, 3.0])
    _, slopes = mode(derived(weighted))(tf.constant(x, dtype), tf.constant(z), tf.constant(weights))
    p, q = 1 / (1 + np.exp(-x)), 1 / (1 + np.exp(x))
    left, right = np.logaddexp(0, -x), np.logaddexp(0, x)
    unit = float(np.finfo(tf.as_dtype(dtype).as_numpy_dtype).eps) if dtype != "bfloat16" else 2.0**-7
    for got, want in zip(slopes, ((1 - z) * p - weights * z * q, weights * left - right, z * left), strict=True):
        np.testing.assert_allclose(tf.cast(got, tf.float64), want, rtol=4 * unit)


def test_forward_mode():
    """Eagerly. In tf.function, TensorFlow derives the operations themselves: see docs/frameworks/tensorflow.md."""
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
    mean, slope = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=tf.constant(x))
    assert mean == logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)[0]
    traced = tf.function(lambda x: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x))
    got = traced(tf.constant(x))
    assert got[0].dtype == tf.float32
    np.testing.assert_allclose(got[0], mean, rtol=1e-6)
    np.testing.assert_array_equal(got[1], slope)
    assert np.isnan(logitloss.sigmoid_cross_entropy_mean_and_grad(labels=[], logits=tf.zeros(0))[0])
    rows = tf.constant([[1.0, 2], [3, 5]])
    for name, labels in (("softmax", [[1.0, 0], [0, 1]]), ("sparse_softmax", [0, 1])):
        function = getattr(logitloss, f"{name}_cross_entropy_mean_and_grad")
        eager, compiled = function(labels=labels, logits=rows), tf.function(function)(labels=labels, logits=rows)
        np.testing.assert_allclose(compiled[0], eager[0], rtol=1e-6)
        np.testing.assert_allclose(compiled[1], eager[1], rtol=1e-6)
