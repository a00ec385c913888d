"""What these tests share: the functions under test in one form, and the comparison of bits."""

import numpy as np

import logitloss
from logitloss import ufuncs

from ..oracle import bits

UFUNCS = [
    ufuncs.sigmoid_cross_entropy,
    ufuncs.sigmoid_cross_entropy_grad,
    ufuncs.sigmoid_cross_entropy_value_and_grad,
    ufuncs.sigmoid_cross_entropy_grad_and_hess,
]
DENSE, SPARSE = logitloss.softmax_cross_entropy_value_and_grad, logitloss.sparse_softmax_cross_entropy_value_and_grad


def outputs(ufunc, *arguments, **keywords):
    """The results of a ufunc as a tuple, also where it has one."""
    got = ufunc(*arguments, **keywords)
    return got if isinstance(got, tuple) else (got,)


def assert_same(got, want):
    for one, other in zip(got, want, strict=True):
        np.testing.assert_array_equal(bits(one), bits(other))


def all_results(x, z):
    """Return loss, gradient and hessian, after checking that every public function gives the same bits for them."""
    loss = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    loss2, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    gradient2, hessian = logitloss.sigmoid_cross_entropy_grad_and_hess(labels=z, logits=x)
    gradient3 = logitloss.ufuncs.sigmoid_cross_entropy_grad(x, z)
    for one, other in ((loss, loss2), (gradient, gradient2), (gradient, gradient3)):
        np.testing.assert_array_equal(bits(one), bits(other))
    return loss, gradient, hessian


def batch(dtype, rows, classes, seed=0):
    """Logits, class indices and soft labels of a batch."""
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=(rows, classes)) * rng.choice([1, 10, 100], (rows, 1))).astype(dtype)
    return x, rng.integers(0, classes, rows), rng.random((rows, classes)).astype(dtype)
