"""The raw NumPy ufuncs, with broadcasting, ``out=``, ``where=`` and every array type that takes a ufunc.

All take ``(logits, labels)`` in this order, and :data:`weighted_sigmoid_cross_entropy` also ``pos_weight`` (float64).
Logits are float16, bfloat16, float32 or float64, labels any float up to float64, any integer or bool; results have the
dtype of the logits. Their ``where=`` is NumPy's and leaves untouched what does not count; that of the functions in
``logitloss`` makes it +0. Formulas, special values and accuracy are those of the functions of the same names there.

================================================  =================================
``sigmoid_cross_entropy(x, z)``                   loss
``sigmoid_cross_entropy_grad(x, z)``              gradient, ``sigmoid(x) - z``
``sigmoid_cross_entropy_value_and_grad(x, z)``    loss, gradient
``sigmoid_cross_entropy_grad_and_hess(x, z)``     gradient, hessian
``weighted_sigmoid_cross_entropy(x, z, w)``       loss, weight ``w`` on its positive part
================================================  =================================

The softmax losses are generalised ufuncs over the last axis, with ``axis=`` for another; their gradients have the shape
of the logits. A sparse label that is not a class gives nan.

======================================================  ==============================
``softmax_cross_entropy(x, z)``                         ``(n),(n)->()``
``softmax_cross_entropy_value_and_grad(x, z)``          ``(n),(n)->(),(n)``
``sparse_softmax_cross_entropy(x, y)``                  ``(n),()->()``
``sparse_softmax_cross_entropy_value_and_grad(x, y)``   ``(n),()->(),(n)``
======================================================  ==============================

>>> import numpy as np
>>> from logitloss import ufuncs
>>> ufuncs.sigmoid_cross_entropy(np.float32([[-1], [1]]), [True, False])
array([[1.3132616, 0.3132617],
       [0.3132617, 1.3132616]], dtype=float32)
"""

from ._core import (
    sigmoid_cross_entropy,
    sigmoid_cross_entropy_grad,
    sigmoid_cross_entropy_grad_and_hess,
    sigmoid_cross_entropy_value_and_grad,
    softmax_cross_entropy,
    softmax_cross_entropy_value_and_grad,
    sparse_softmax_cross_entropy,
    sparse_softmax_cross_entropy_value_and_grad,
    weighted_sigmoid_cross_entropy,
)

__all__ = [
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_grad",
    "sigmoid_cross_entropy_grad_and_hess",
    "sigmoid_cross_entropy_value_and_grad",
    "softmax_cross_entropy",
    "softmax_cross_entropy_value_and_grad",
    "sparse_softmax_cross_entropy",
    "sparse_softmax_cross_entropy_value_and_grad",
    "weighted_sigmoid_cross_entropy",
]
