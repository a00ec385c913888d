"""logitloss for PyTorch: the losses of ``torch.nn`` and ``torch.nn.functional``, and the library's own for tensors.

It is imported when it is asked for, or when a function of :mod:`logitloss` is given a tensor, and not before.
"""

from .functional import binary_cross_entropy_with_logits, cross_entropy
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
from .modules import BCEWithLogitsLoss, CrossEntropyLoss

__all__ = [
    "BCEWithLogitsLoss",
    "CrossEntropyLoss",
    "binary_cross_entropy_with_logits",
    "cross_entropy",
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
