"""The softmax losses, where one class of several is the right one: each docstring, check, dispatch."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._dispatch import adapter


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, axis: int = -1, name: str | None = None
) -> Any:
    """Return the softmax cross entropy between distributions over classes and logits, one loss per row.

    With ``x = logits``, ``z = labels``, sums along ``axis`` and ``m`` the largest logit::

        loss = sum_j z_j * -log(softmax(x)_j),   softmax(x)_j = exp(x_j) / sum_k exp(x_k)
             = sum_j z_j * (m - x_j) + (sum_j z_j) * log1p(R),   R = sum of exp(x_k - m) over all k but the largest

    The last form is the one computed: its terms are never negative, so a small loss keeps its digits.

    Parameters
    ----------
    _sentinel : None
        Takes no value: all arguments must be named.
    labels : array_like
        Probabilities of the classes, of the shape of ``logits`` or broadcasting to it without enlarging it: any float
        up to float64, any integer or bool. They need not sum to 1.
    logits : array_like
        Unscaled log-probabilities: float16, bfloat16, float32 or float64.
    axis : int
        The axis of the classes.
    name : str, optional
        A name for the operation; it stands in front of an error's text.

    Returns
    -------
    ndarray or scalar
        The losses, of the dtype of ``logits`` and its shape without ``axis``.

    Raises
    ------
    ValueError
        If an argument is positional or missing, the shapes or the axis do not fit, or there is no class.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: a logit of -inf is an absent class: it adds nothing whatever its label 0, and with a positive label
    the loss is inf. One logit of +inf takes all: the loss is 0 for its label, inf for another. Two of them, only -inf,
    and nan give nan.

    Accuracy: float16, bfloat16 and float32 within 0.502 ulp for labels that are not negative, float64 within 2 ulp. The
    bits of a row depend on its values alone: not on the batch, strides, axis, threads or instruction set.

    Source: the operation of this name in TensorFlow.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logits = np.float32([[40, 0], [1, 2], [-np.inf, 1]])
    >>> logitloss.softmax_cross_entropy_with_logits(labels=[[1, 0], [0.5, 0.5], [0, 1]], logits=logits)
    array([4.248354e-18, 8.132617e-01, 0.000000e+00], dtype=float32)
    """
    _checks.named(_sentinel, name)
    return adapter(logits).softmax_cross_entropy_with_logits(labels=labels, logits=logits, axis=axis, name=name)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, axis: int = -1) -> tuple[Any, Any]:
    """Return the losses and their derivatives with respect to the logits.

    The loss is that of :func:`softmax_cross_entropy_with_logits`; with ``Z = sum_j z_j``::

        gradient_j = Z * softmax(x)_j - z_j
                   = (Z - z_j) - Z * R / (1 + R)    for the only largest class: minus what the others have

    Shapes, dtypes and errors are those of :func:`softmax_cross_entropy_with_logits`; the gradient has the shape and
    dtype of the logits. It is the true derivative, also for labels that do not sum to 1.

    Notes
    -----
    Special values: an absent class has the gradient ``-z_j``; where the loss is nan, so is the gradient.

    Accuracy: for one-hot labels float16, bfloat16 and float32 within 0.502 ulp, float64 within 4 ulp; for others within
    that of the larger of the two terms.

    Source: the derivative of the documented loss.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.softmax_cross_entropy_value_and_grad(labels=[1, 0], logits=np.float32([40, 0]))
    (np.float32(4.248354e-18), array([-4.248354e-18,  4.248354e-18], dtype=float32))
    """
    return adapter(logits).softmax_cross_entropy_value_and_grad(labels=labels, logits=logits, axis=axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the rows and its derivative with respect to the logits.

    ::

        mean     = sum(loss) / n                     n = the number of rows
        gradient = (Z * softmax(x) - z) / n

    Shapes and dtypes are those of :func:`softmax_cross_entropy_with_logits`, for NumPy arrays. ``out`` takes the
    gradient, if given. The mean is a Python float, the exact sum of the rounded losses divided by ``n``, rounded once;
    nan for no rows. Errors are those of :func:`softmax_cross_entropy_with_logits`, or say that ``out`` does not fit.

    Notes
    -----
    Special values: a nan loss makes the mean nan, an infinite one infinite.

    Accuracy: the mean is correctly rounded with respect to the rounded losses; the gradient is divided before its one
    rounding.

    Source: the mean that PyTorch calls ``reduction="mean"``, for labels that sum to 1.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.softmax_cross_entropy_mean_and_grad(labels=[[1, 0], [0, 1]], logits=np.float32([[0, 0], [0, 0]]))
    (0.6931471824645996, array([[-0.25,  0.25],
           [ 0.25, -0.25]], dtype=float32))
    """
    return adapter(logits).softmax_cross_entropy_mean_and_grad(labels=labels, logits=logits, axis=axis, out=out)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
) -> Any:
    """Return the softmax cross entropy between class indices and logits, one loss per row.

    With ``x = logits``, ``y = labels`` and ``m`` the largest logit of a row::

        loss = -log(softmax(x)_y) = log(sum_k exp(x_k)) - x_y
             = (m - x_y) + log1p(R),   R = sum of exp(x_k - m) over all k but the largest

    Parameters
    ----------
    _sentinel : None
        Takes no value: all arguments must be named.
    labels : array_like
        The index of the right class of each row: any integer dtype, of shape ``logits.shape[:-1]``.
    logits : array_like
        Unscaled log-probabilities, the classes along the last axis: float16, bfloat16, float32 or float64.
    name : str, optional
        A name for the operation; it stands in front of an error's text.

    Returns
    -------
    ndarray or scalar
        The losses, of the shape of ``labels`` and the dtype of ``logits``.

    Raises
    ------
    ValueError
        If an argument is positional or missing, the shapes do not fit, there is no class, or a label is no class: the
        text names the first such label and its index.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: those of :func:`softmax_cross_entropy_with_logits` with a one-hot label.

    Accuracy: float16, bfloat16 and float32 within 0.502 ulp, float64 within 2 ulp, at up to 2**17 classes.

    Source: the operation of this name in TensorFlow.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logits = np.stack([np.float32([1, -1, 0]), np.zeros(3, np.float32)], axis=-1)
    >>> logitloss.sparse_softmax_cross_entropy_with_logits(labels=[0, 0, 1], logits=logits)
    array([0.3132617, 1.3132616, 0.6931472], dtype=float32)
    """
    _checks.named(_sentinel, name)
    return adapter(logits).sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits, name=name)


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the losses and their derivatives with respect to the logits.

    The loss is that of :func:`sparse_softmax_cross_entropy_with_logits`, and::

        gradient_j = softmax(x)_j - (1 if j == y else 0)

    Shapes, dtypes and errors are those of :func:`sparse_softmax_cross_entropy_with_logits`; the gradient has the shape
    and dtype of the logits.

    Notes
    -----
    Special values: those of :func:`softmax_cross_entropy_value_and_grad`.

    Accuracy: float16, bfloat16 and float32 within 0.502 ulp, float64 within 4 ulp; the gradient of the right class
    keeps its digits where its probability is next to 1.

    Source: the derivative of the documented loss.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=0, logits=np.float32([40, 0]))
    (np.float32(4.248354e-18), array([-4.248354e-18,  4.248354e-18], dtype=float32))
    """
    return adapter(logits).sparse_softmax_cross_entropy_value_and_grad(labels=labels, logits=logits)


def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the rows and its derivative with respect to the logits.

    ::

        mean       = sum(loss) / n                             n = labels.size
        gradient_j = (softmax(x)_j - (1 if j == y else 0)) / n

    Shapes, dtypes and errors are those of :func:`sparse_softmax_cross_entropy_with_logits`, for NumPy arrays; ``out``
    and the mean are as in :func:`softmax_cross_entropy_mean_and_grad`.

    Notes
    -----
    Special values: a nan loss makes the mean nan, an infinite one infinite.

    Accuracy: that of :func:`softmax_cross_entropy_mean_and_grad`.

    Source: the mean that PyTorch calls ``reduction="mean"``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=[0, 1], logits=np.float32([[0, 0], [0, 0]]))
    (0.6931471824645996, array([[-0.25,  0.25],
           [ 0.25, -0.25]], dtype=float32))
    """
    return adapter(logits).sparse_softmax_cross_entropy_mean_and_grad(labels=labels, logits=logits, out=out)
