"""logitloss.tensorflow: names, unknown dimensions, AutoGraph and saved models."""

import logging
import subprocess
import sys

import numpy as np
import pytest

import logitloss

from .support import derived, host, sigmoid, softmax, sparse, tf, traced, weighted


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
            lambda x, z, axis=axis: logitloss.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=axis),
            UNKNOWN,
            UNKNOWN,
            jit_compile=jit_compile,
        )
        x = np.arange(6.0, dtype=np.float32).reshape(2, 3)
        for z in (x / 3, x[0], x[:, :1]):
            want = logitloss.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=axis)
            np.testing.assert_allclose(run(x, z), want, rtol=3e-7)
        with pytest.raises(refused):
            run(x[:1], x)

    run = traced(weighted, UNKNOWN, UNKNOWN, UNKNOWN, jit_compile=jit_compile)
    for weight in np.float32(2), np.float32([1, 2, 3]), np.float32([[1], [2]]):
        want = logitloss.weighted_cross_entropy_with_logits(labels=x / 5, logits=x, pos_weight=weight)
        np.testing.assert_allclose(run(x, x / 5, weight), want, rtol=5e-7)
    for shape, weight in (((3,), (2, 3)), ((), (1,)), ((3,), (2,))):
        with pytest.raises(refused):
            run(tf.zeros(shape), tf.zeros(shape), tf.ones(weight))

    run = traced(sparse, UNKNOWN, tf.TensorSpec(None, tf.int32), jit_compile=jit_compile)
    np.testing.assert_allclose(
        run(x, [2, 0]), logitloss.sparse_softmax_cross_entropy_with_logits(labels=[2, 0], logits=x), rtol=3e-7
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
            *logitloss.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x),
            *logitloss.sigmoid_cross_entropy_grad_and_hess(labels=x, logits=x),
            *logitloss.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x),
            *logitloss.softmax_cross_entropy_value_and_grad(labels=x, logits=x),
            *logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=0, logits=x),
        ]

    logger = tf.get_logger()
    logger.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.WARNING, logger.name):
            tf.function(step)(tf.constant([1.0, 2.0]))
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records


def test_check_numerics():
    """It takes the infinity that the formulas compare with for a result; the kernels have none."""
    tf.debugging.enable_check_numerics()
    try:
        assert sigmoid(tf.zeros(1), tf.ones(1)) > 0
        with pytest.raises(tf.errors.InvalidArgumentError, match='graph op "Const"'):
            tf.function(sigmoid, autograph=False)(tf.zeros(1), tf.ones(1))
    finally:
        tf.debugging.disable_check_numerics()


LOADED = """
import sys, tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
def gradient():
    with tf.GradientTape() as tape:
        loss = module.loss(tf.constant([[20.0, 10.0]]))
    return tape.gradient(loss, module.weights)
print(*gradient().numpy(), "logitloss" in sys.modules)
try:
    with tf.GradientTape():
        gradient()
except LookupError as error:
    print(str(error).partition(" for")[0])
"""


def test_saved_models_keep_the_gradient(tmp_path):
    """In a process that knows nothing of this library. Of derivatives TensorFlow saves the first."""
    module = tf.Module()
    module.weights = tf.Variable([1.0, 2.0])
    module.loss = traced(lambda x: sigmoid(x * module.weights, tf.ones_like(x)), tf.TensorSpec([None, 2]))
    tf.saved_model.save(module, str(tmp_path))
    command = [sys.executable, "-c", LOADED, str(tmp_path)]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split(maxsplit=3)
    np.testing.assert_allclose(np.float64(words[:2]), [-20 * 2.0611537e-09, -10 * 2.0611537e-09], rtol=1e-6)
    assert words[2:] == ["False", "No gradient defined\n"]
