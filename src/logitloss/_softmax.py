"""The softmax losses, where one class of several is the right one: each docstring, check, dispatch."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._dispatch import adapter, masked


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    axis: int = -1,
    name: str | None = None,
    *,
    where: Any = None,
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
    where : array_like of bool, optional
        Which rows count, for NumPy arrays; it broadcasts to the losses. The others, whatever they hold, have the
        loss +0.

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
    Special values: a logit of -inf is an absent class: it adds nothing where its label is 0, and with a positive
    label the loss is inf. One logit of +inf takes all: the loss is 0 for its label, inf for another. Two of them, only
    -inf, and nan give nan.

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
    return adapter(logits).softmax_cross_entropy_with_logits(
        labels=labels, logits=logits, axis=axis, name=name, **masked(where, logits)
    )


def softmax_cross_entropy_value_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, where: Any = None
) -> tuple[Any, Any]:
    """Return the losses and their derivatives with respect to the logits.

    With ``x = logits``, ``z = labels``, sums along ``axis``, ``Z = sum_j z_j`` and ``R`` the sum of ``exp(x_k - m)``
    over all classes but the largest, ``m``::

        loss       = sum_j z_j * -log(softmax(x)_j)
        gradient_j = Z * softmax(x)_j - z_j
                   = (Z - z_j) - Z * R / (1 + R)    for the only largest class: minus what the others have

    ``logits`` are float16, bfloat16, float32 or float64; ``labels`` have their shape, or broadcast to it without
    enlarging it, and are any float up to float64, any integer or bool. The losses have the shape of ``logits`` without
    ``axis``, the gradient has that of ``logits``, both their dtype. The gradient is the true derivative, also for
    labels that do not sum to 1. ``where``, for NumPy arrays, is a mask of the rows that count; the results of the
    others are +0, whatever they hold.

    Raises
    ------
    ValueError
        If an argument is None, the shapes or the axis do not fit, or there is no class.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: a logit of -inf is an absent class, with the gradient ``-z_j`` and the loss inf for a positive
    label. One logit of +inf takes all: the loss is 0 for its label, inf for another. Two of them, only -inf, and nan
    give nan. Where the loss is nan, so is the gradient.

    Accuracy: losses of float16, bfloat16 and float32 within 0.502 ulp for labels that are not negative, of float64
    within 2 ulp. Gradients for one-hot labels within 0.502 ulp, of float64 within 4 ulp; for others within that of the
    larger of the two terms.

    Source: the derivative of the documented loss.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.softmax_cross_entropy_value_and_grad(labels=[1, 0], logits=np.float32([40, 0]))
    (np.float32(4.248354e-18), array([-4.248354e-18,  4.248354e-18], dtype=float32))
    """
    return adapter(logits).softmax_cross_entropy_value_and_grad(
        labels=labels, logits=logits, axis=axis, **masked(where, logits)
    )


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, axis: int = -1, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the rows and its derivative with respect to the logits.

    With ``x = logits``, ``z = labels``, sums along ``axis``, ``Z = sum_j z_j`` and ``n`` the number of rows::

        loss       = sum_j z_j * -log(softmax(x)_j)
        mean       = sum(loss) / n
        gradient_j = (Z * softmax(x)_j - z_j) / n

    ``logits`` are float16, bfloat16, float32 or float64; ``labels`` have their shape, or broadcast to it without
    enlarging it, and are any float up to float64, any integer or bool. ``out`` takes the gradient, if given; it has the
    shape and dtype of ``logits``. The mean is a Python float, the exact sum of the rounded losses divided by ``n``,
    rounded once; nan for no rows. ``where``, for NumPy arrays, is a mask of the rows that count: the gradients of the
    others are +0, whatever they hold, and ``n`` is the number of those that count.

    Raises
    ------
    ValueError
        If an argument is None, the shapes or the axis do not fit, there is no class, or ``out``
        has another shape or cannot be written to.
    TypeError
        If a dtype is not one of the above, ``out`` has another dtype than ``logits``, or an array cannot be summed.

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
    return adapter(logits).softmax_cross_entropy_mean_and_grad(
        labels=labels, logits=logits, axis=axis, out=out, **masked(where, logits)
    )


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None, *, where: Any = None
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
    where : array_like of bool, optional
        Which rows count, for NumPy arrays; it broadcasts to the losses. The others, whatever they hold, have the
        loss +0.

    Returns
    -------
    ndarray or scalar
        The losses, of the shape of ``labels`` and the dtype of ``logits``.

    Raises
    ------
    ValueError
        If an argument is positional or missing, the shapes do not fit, there is no class, or a label is not a class:
        the text names the first such label and its index.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: a logit of -inf is an absent class: the loss is inf for its label. One logit of +inf takes all: the
    loss is 0 for its label, inf for another. Two of them, only -inf, and nan give nan.

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
    return adapter(logits).sparse_softmax_cross_entropy_with_logits(
        labels=labels, logits=logits, name=name, **masked(where, logits)
    )


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return the losses and their derivatives with respect to the logits.

    With ``x = logits`` and ``y = labels``::

        loss       = -log(softmax(x)_y) = log(sum_k exp(x_k)) - x_y
        gradient_j = softmax(x)_j - (1 if j == y else 0)

    ``logits`` are float16, bfloat16, float32 or float64, with the classes along the last axis; ``labels`` are integers
    of any dtype, of shape ``logits.shape[:-1]``. The losses have the shape of ``labels``, the gradient has that of
    ``logits``, both the dtype of ``logits``. ``where``, for NumPy arrays, is a mask of the rows that count; the results
    of the others are +0, whatever they hold.

    Raises
    ------
    ValueError
        If an argument is None, the shapes do not fit, there is no class, or a label is not a class.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: a logit of -inf is an absent class: the loss is inf for its label. One logit of +inf takes all: the
    loss is 0 for its label, inf for another. Two of them, only -inf, and nan give nan. Where the loss is nan, so is the
    gradient.

    Accuracy: float16, bfloat16 and float32 within 0.502 ulp; float64 losses within 2 ulp, gradients within 4 ulp. The
    gradient of the right class keeps its digits where its probability is next to 1.

    Source: the derivative of the documented loss.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=0, logits=np.float32([40, 0]))
    (np.float32(4.248354e-18), array([-4.248354e-18,  4.248354e-18], dtype=float32))
    """
    return adapter(logits).sparse_softmax_cross_entropy_value_and_grad(
        labels=labels, logits=logits, **masked(where, logits)
    )


def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss over the rows and its derivative with respect to the logits.

    With ``x = logits``, ``y = labels`` and ``n = labels.size``::

        mean       = sum(-log(softmax(x)_y)) / n
        gradient_j = (softmax(x)_j - (1 if j == y else 0)) / n

    ``logits`` are float16, bfloat16, float32 or float64, with the classes along the last axis; ``labels`` are integers
    of any dtype, of shape ``logits.shape[:-1]``. ``out`` takes the gradient, if given; it has the shape and dtype of
    ``logits``. The mean is a Python float, the exact sum of the rounded losses divided by ``n``, rounded once; nan for
    no rows. ``where``, for NumPy arrays, is a mask of the rows that count: the gradients of the others are +0, whatever
    they hold, and ``n`` is the number of those that count.

    Raises
    ------
    ValueError
        If an argument is None, the shapes do not fit, there is no class, a label is not a class, or ``out``
        has another shape or cannot be written to.
    TypeError
        If a dtype is not one of the above, ``out`` has another dtype than ``logits``, or an array cannot be summed.

    Notes
    -----
    Special values: a nan loss makes the mean nan, an infinite one infinite.

    Accuracy: the mean is correctly rounded with respect to the rounded losses; the gradient is divided before its one
    rounding.

    Source: the mean that PyTorch calls ``reduction="mean"``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sparse_softmax_cross_entropy_mean_and_grad(labels=[0, 1], logits=np.float32([[0, 0], [0, 0]]))
    (0.6931471824645996, array([[-0.25,  0.25],
           [ 0.25, -0.25]], dtype=float32))
    """
    return adapter(logits).sparse_softmax_cross_entropy_mean_and_grad(
        labels=labels, logits=logits, out=out, **masked(where, logits)
    )
