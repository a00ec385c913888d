"""logitloss for TensorFlow: the library's own functions for tensors, four of which replace those of ``tf.nn``."""

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
