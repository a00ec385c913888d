"""Right and wrong uses of the functions with tensors of PyTorch, for type checkers: never run."""

import numpy as np
import torch
from torch import Tensor
from typing_extensions import assert_type

import logitloss as ll

x, rows = torch.zeros(3), torch.zeros(3, 2)

assert_type(ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x), Tensor)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=np.zeros(3, bool), logits=x), Tensor)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=[0, 1, 1], logits=torch.nn.Parameter(x)), Tensor)
assert_type(ll.sigmoid_cross_entropy_value_and_grad(labels=x, logits=x), tuple[Tensor, Tensor])
assert_type(ll.sigmoid_cross_entropy_mean_and_grad(labels=x, logits=x, out=x), tuple[Tensor, Tensor])
assert_type(ll.sigmoid_cross_entropy_total(labels=x, logits=x), ll.ExactSum)
assert_type(ll.weighted_cross_entropy_with_logits(labels=x, logits=x, pos_weight=x), Tensor)
assert_type(ll.softmax_cross_entropy_with_logits(labels=rows, logits=rows, axis=0), Tensor)
assert_type(ll.sparse_softmax_cross_entropy_value_and_grad(labels=x, logits=rows), tuple[Tensor, Tensor])

ll.sigmoid_cross_entropy_with_logits(x, x)  # error
ll.sigmoid_cross_entropy_with_logits(logits=x)  # error
ll.sigmoid_cross_entropy_with_logits(labels=["a", "b", "c"], logits=x)  # error
losses: np.ndarray = ll.sigmoid_cross_entropy_with_logits(labels=x, logits=x)  # error
