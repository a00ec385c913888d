"""logitloss for JAX: the library's own functions for arrays of JAX, and the losses in optax's signatures."""

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
from .optax import sigmoid_binary_cross_entropy, softmax_cross_entropy, softmax_cross_entropy_with_integer_labels

__all__ = [
    "sigmoid_binary_cross_entropy",
    "sigmoid_cross_entropy_grad_and_hess",
    "sigmoid_cross_entropy_mean_and_grad",
    "sigmoid_cross_entropy_total",
    "sigmoid_cross_entropy_value_and_grad",
    "sigmoid_cross_entropy_with_logits",
    "softmax_cross_entropy",
    "softmax_cross_entropy_mean_and_grad",
    "softmax_cross_entropy_value_and_grad",
    "softmax_cross_entropy_with_integer_labels",
    "softmax_cross_entropy_with_logits",
    "sparse_softmax_cross_entropy_mean_and_grad",
    "sparse_softmax_cross_entropy_value_and_grad",
    "sparse_softmax_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
]
