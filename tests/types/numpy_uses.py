"""Right and wrong uses of the functions with NumPy alone, for type checkers: never run.

A checker must find an error in each line with the comment ``error`` and in no other.
"""

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self, assert_type

import logitloss as ll

half, single, double = np.zeros(3, np.float16), np.zeros(3, np.float32), np.zeros(3)
rows, classes = np.zeros((3, 2), np.float32), np.zeros(3, np.int64)
hard = single > 0
text = np.zeros(3, np.str_)
Singles = NDArray[np.float32]
Doubles = NDArray[np.float64]

# An array gives one of its dtype, whatever the labels.
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=single, logits=single), Singles)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=hard, logits=half, name="loss"), NDArray[np.float16])
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=[0, 1, 0.5], logits=double), Doubles)
assert_type(ll.sigmoid_cross_entropy_value_and_grad(labels=classes, logits=single), tuple[Singles, Singles])
assert_type(ll.sigmoid_cross_entropy_grad_and_hess(labels=single, logits=double), tuple[Doubles, Doubles])
assert_type(ll.sigmoid_cross_entropy_mean_and_grad(labels=hard, logits=single, out=single), tuple[float, Singles])
assert_type(ll.sigmoid_cross_entropy_total(labels=hard, logits=half), ll.ExactSum)
assert_type(ll.weighted_cross_entropy_with_logits(labels=hard, logits=single, pos_weight=3), Singles)
assert_type(ll.softmax_cross_entropy_with_logits(labels=rows, logits=rows, axis=0), Singles)
assert_type(ll.softmax_cross_entropy_value_and_grad(labels=rows > 0, logits=rows), tuple[Singles, Singles])
assert_type(ll.softmax_cross_entropy_mean_and_grad(labels=[[1, 0]], logits=rows, out=rows), tuple[float, Singles])
assert_type(ll.sparse_softmax_cross_entropy_with_logits(labels=classes, logits=rows), Singles)
assert_type(ll.sparse_softmax_cross_entropy_value_and_grad(labels=[0, 1, 0], logits=rows), tuple[Singles, Singles])
assert_type(ll.sparse_softmax_cross_entropy_mean_and_grad(labels=(0, 1, 0), logits=rows), tuple[float, Singles])

# Scalars give NumPy's; lists give float64.
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=1, logits=np.float32(2)), np.float32)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=True, logits=2.0), np.float64)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=[[1, 0]], logits=[[2.0, 1.0]]), Doubles)
assert_type(ll.sigmoid_cross_entropy_value_and_grad(labels=1, logits=2.0), tuple[np.float64, np.float64])
assert_type(ll.sigmoid_cross_entropy_mean_and_grad(labels=[1], logits=[2.0]), tuple[float, Doubles])
assert_type(ll.softmax_cross_entropy_with_logits(labels=[1, 0], logits=[2.0, 1.0]), Doubles)


class Tensor:
    """Like a framework's, without the framework."""

    def detach(self) -> Self:
        return self

    def __neg__(self) -> "Tensor":
        return self


class Parameter(Tensor):
    """A subclass whose losses are of its base."""


assert_type(ll.sigmoid_cross_entropy_with_logits(labels=Tensor(), logits=Tensor()), Tensor)
assert_type(ll.sigmoid_cross_entropy_with_logits(labels=Tensor(), logits=Parameter()), Tensor)
assert_type(ll.softmax_cross_entropy_mean_and_grad(labels=Tensor(), logits=Tensor()), tuple[Tensor, Tensor])

# Positional arguments.
ll.sigmoid_cross_entropy_with_logits(single, single)  # error
ll.sigmoid_cross_entropy_with_logits(None, single, single)  # error
ll.sigmoid_cross_entropy_value_and_grad(single, single)  # error
ll.softmax_cross_entropy_with_logits(rows, rows)  # error
ll.sparse_softmax_cross_entropy_with_logits(classes, rows)  # error

# A missing argument.
ll.sigmoid_cross_entropy_with_logits(logits=single)  # error
ll.sigmoid_cross_entropy_with_logits(labels=single)  # error
ll.sigmoid_cross_entropy_with_logits()  # error
ll.sigmoid_cross_entropy_mean_and_grad(logits=single)  # error
ll.weighted_cross_entropy_with_logits(labels=single, logits=single)  # error
ll.sparse_softmax_cross_entropy_with_logits(logits=rows)  # error

# Text, and numbers of the wrong kind.
ll.sigmoid_cross_entropy_with_logits(labels="yes", logits=single)  # error
ll.sigmoid_cross_entropy_with_logits(labels=["a", "b", "c"], logits=single)  # error
ll.sigmoid_cross_entropy_with_logits(labels=text, logits=single)  # error
ll.sigmoid_cross_entropy_with_logits(labels=text, logits=Tensor())  # error
ll.sigmoid_cross_entropy_with_logits(labels=single, logits="1.0")  # error
ll.sigmoid_cross_entropy_with_logits(labels=single, logits=classes)  # error
ll.sigmoid_cross_entropy_with_logits(labels=single, logits=1j)  # error
ll.sigmoid_cross_entropy_total(labels=["a"], logits=[1.0])  # error
ll.softmax_cross_entropy_with_logits(labels=text, logits=rows)  # error
ll.sparse_softmax_cross_entropy_with_logits(labels=[0.5, 1.0, 0.0], logits=rows)  # error
ll.sparse_softmax_cross_entropy_with_logits(labels=single, logits=rows)  # error

# A result taken for another.
number: float = ll.sigmoid_cross_entropy_with_logits(labels=single, logits=single)  # error
doubles: Doubles = ll.sigmoid_cross_entropy_with_logits(labels=double, logits=single)  # error
one: Singles = ll.sigmoid_cross_entropy_value_and_grad(labels=single, logits=single)  # error
array: Singles = ll.sigmoid_cross_entropy_with_logits(labels=Tensor(), logits=Tensor())  # error
tensor: Tensor = ll.sigmoid_cross_entropy_with_logits(labels=single, logits=single)  # error
