"""The library's functions for TensorFlow: eager, in ``tf.function`` and under XLA, differentiable in any order.

The four that ``tf.nn`` has too take its place there, with its signatures. The public functions come here for logits
that are tensors; formulas, special values and errors are theirs, in TensorFlow's own sentences where shapes differ.

Eager tensors on the CPU have the accuracy and the bits of NumPy arrays. Traced tensors, and those on other devices, are
as accurate as TensorFlow's exp, log1p and division: ``docs/frameworks/tensorflow.md`` has the tested bounds. There
a label that is no class gives nan, and subnormal numbers are flushed to 0.
"""

from .losses import (
    sigmoid_cross_entropy_grad_and_hess,
    sigmoid_cross_entropy_mean_and_grad,
    sigmoid_cross_entropy_total,
    sigmoid_cross_entropy_value_and_grad,
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_mean_and_grad,
    softmax_cross_entropy_value_and_grad,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_mean_and_grad,
    sparse_softmax_cross_entropy_value_and_grad,
    sparse_softmax_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
)

__all__ = [
    "sigmoid_cross_entropy_grad_and_hess",
    "sigmoid_cross_entropy_mean_and_grad",
    "sigmoid_cross_entropy_total",
    "sigmoid_cross_entropy_value_and_grad",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy_mean_and_grad",
    "softmax_cross_entropy_value_and_grad",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_mean_and_grad",
    "sparse_softmax_cross_entropy_value_and_grad",
    "sparse_softmax_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
]
