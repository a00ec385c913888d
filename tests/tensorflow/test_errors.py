"""logitloss.tensorflow: what is refused and how."""

import numpy as np
import pytest

import logitloss

from .support import sigmoid, softmax, sparse, tf, traced, weighted

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
    with pytest.raises(
        TypeError,
        match=r"labels and logits must be eager tensors to be summed exactly, got symbolic ones. Call it outside of tf\.function, or sum the losses with tf\.reduce_sum",
    ):
        tf.function(lambda x: logitloss.sigmoid_cross_entropy_total(labels=x, logits=x))(tf.zeros(3))


def along(axis):
    return lambda x, z: logitloss.softmax_cross_entropy_with_logits(labels=z, logits=x, axis=axis)


@pytest.mark.parametrize(
    ("function", "shapes", "text"),
    [
        (weighted, ([3], [3], [2]), "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (3,). "),
        (weighted, ([None, 3], [None, 3], [2]), "enlarging it, got (2,) for logits of shape (None, 3). "),
        (softmax, ([None, 3], [None, 2]), "labels must have the shape of logits, or broadcast to it without enlarging it, got (None, 2) for logits of shape (None, 3). "),
        (softmax, ([None], [None, 3]), "got (None, 3) for logits of shape (None,). "),
        (softmax, ([None, 0], None), "logits must have at least one class, got shape (None, 0) with none along axis -1. "),
        (along(2), ([None, 3], [None, 3]), "axis must be an integer from -2 to 1 for logits of shape (None, 3), got 2. "),
        (along(1.5), ([None, 3], None), "axis must be an integer from -2 to 1 for logits of shape (None, 3), got 1.5. "),
        (lambda x: sparse(x, [0]), ([None, 0],), "logits must have at least one class, got shape (None, 0) with none along axis -1. "),
    ],
)  # fmt: skip
def test_refused_by_what_is_known_of_the_shapes(function, shapes, text):
    with pytest.raises(ValueError) as raised:  # noqa: PT011
        traced(function, *map(tf.TensorSpec, shapes)).get_concrete_function()
    assert text in str(raised.value)


@pytest.mark.parametrize("name", ["sigmoid", "softmax", "sparse_softmax"])
def test_no_place_for_a_gradient(name):
    function = getattr(logitloss, f"{name}_cross_entropy_mean_and_grad")
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
