"""Right and wrong uses of the functions with tensors of TensorFlow, for type checkers: never run."""

import numpy as np
import tensorflow as tf
from typing_extensions import assert_type

import logitloss as ll

x, rows, classes = tf.constant([0.0, 1.0]), tf.constant([[0.0, 1.0]]), tf.constant([1])

assert_type(ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x), tf.Tensor)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=[0, 1], logits=x), tf.Tensor)
assert_type(ll.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x), tuple[tf.Tensor, tf.Tensor])
assert_type(ll.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x), tuple[tf.Tensor, tf.Tensor])
assert_type(ll.sigmoid_cross_entropy_total(labels=x, logits=x), ll.ExactSum)
assert_type(ll.weighted_cross_entropy_with_logits(labels=x, logits=x, pos_weight=x), tf.Tensor)
assert_type(ll.softmax_cross_entropy_with_logits(labels=rows, logits=rows, axis=0), tf.Tensor)
assert_type(ll.sparse_softmax_cross_entropy_value_and_grad(labels=classes, logits=rows), tuple[tf.Tensor, tf.Tensor])

ll.sigmoid_cross_entropy_with_logits(x, x)  # error
ll.sigmoid_cross_entropy_with_logits(logits=x)  # error
ll.sigmoid_cross_entropy_with_logits(labels=["a", "b"], logits=x)  # error
losses: np.ndarray = ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x)  # error
