"""The losses: one function per loss, each docstring, check, dispatch."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._dispatch import adapter, masked
from ._exact import ExactSum


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None, *, where: Any = None
) -> Any:
    r"""Return the sigmoid cross entropy between labels and logits, element by element.

    It measures the error of probabilities in tasks whose classes are independent, where one picture may hold both an
    elephant and a dog. With ``x = logits`` and ``z = labels``::

        loss = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))
             = max(x, 0) - x * z + log(1 + exp(-abs(x)))
             = x * a + log1p(exp(-abs(x))),   a = 1 - z where x > 0, else -z

    The last form is the one computed: for labels in [0, 1] its terms are never negative, so nothing cancels.

    Parameters
    ----------
    _sentinel : None
        Takes no value: all arguments must be named.
    labels : array_like
        Probabilities of the positive class, hard (0 or 1) or soft, of the shape of ``logits``: float16, bfloat16,
        float32, float64, any integer or bool. Integers beyond 2**53 count as the float64 next to them. Labels outside
        [0, 1] are accepted: the formula is affine in them.
    logits : array_like
        Log-odds, any real numbers or infinities: float16, bfloat16, float32 or float64.
    name : str, optional
        A name for the operation; it stands in front of an error's text.
    where : array_like of bool, optional
        Which elements count, for NumPy arrays; it broadcasts to the logits. The others, whatever they hold, have the
        loss +0.

    Returns
    -------
    ndarray or scalar
        The losses, of the shape and dtype of ``logits``. Dask, xarray and pandas objects give their own kind.

    Raises
    ------
    ValueError
        If an argument is positional or missing, or the shapes differ.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: at infinite logits the loss is its limit, with 0 * inf = 0: at ``x = inf`` it is 0 for ``z = 1`` and
    inf for ``z < 1``. A nan in either argument gives nan. Subnormal results are kept, not flushed to 0.

    Accuracy: float16, bfloat16 and float32 losses are correctly rounded, whatever the label. float64 losses are within
    0.75 ulp for labels in [0, 1]. The bits depend on the two values alone; a nan is a nan.

    Source: the operation of this name in TensorFlow, whose signature and examples these are.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logits = np.float32([1., -1., 0., 1., -1., 0., 0.])
    >>> labels = np.float32([0., 0., 0., 1., 1., 1., 0.5])
    >>> logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    array([1.3132616, 0.3132617, 0.6931472, 0.3132617, 1.3132616, 0.6931472,
           0.6931472], dtype=float32)
    """
    if _sentinel is not None:
        _checks.named(_sentinel, name)
    return adapter(logits).sigmoid_cross_entropy_with_logits(
        labels=labels, logits=logits, name=name, **masked(where, logits)
    )


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return the loss and its derivative with respect to the logits, in one pass over memory.

    With ``x = logits``, ``z = labels`` and ``a = 1 - z`` where ``x > 0``, else ``-z``::

        loss     = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)) = x * a + log1p(exp(-abs(x)))
        gradient = sigmoid(x) - z = a - sigmoid(-x)  where x > 0,  a + sigmoid(x)  elsewhere

    ``logits`` are float16, bfloat16, float32 or float64; ``labels`` have their shape and are any float up to float64,
    any integer or bool, hard or soft. Both results have the shape and dtype of ``logits``. ``where``, for NumPy
    arrays, is a mask of the elements that count and broadcasts to the logits; the results of the others are +0.

    Raises
    ------
    ValueError
        If an argument is None, or the shapes differ.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: at infinite logits both are their limits, with 0 * inf = 0: the loss at ``x = inf`` is 0 for ``z =
    1`` and inf for ``z < 1``, and the gradient is ``1 - z``; at ``x = -inf`` it is ``-z``. The gradient is exactly +0
    at ``x = 0, z = 0.5``. A nan in either argument gives nan.

    Accuracy: float16, bfloat16 and float32 results are correctly rounded, next to the root ``sigmoid(x) = z`` too.
    float64 losses are within 0.75 ulp for labels in [0, 1], gradients within 1 ulp for hard labels and within
    ``1 ulp + 2**-56 * min(sigmoid(x), 1 - sigmoid(x))`` for soft ones, with the exact sign.

    Source: Newton and others minimise this loss by its gradient; the stable forms are derived in ``cpp/math``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_value_and_grad(labels=np.array([1, 0]), logits=np.float32([17, -17]))
    (array([4.1399375e-08, 4.1399375e-08], dtype=float32), array([-4.1399375e-08,  4.1399375e-08], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits, **masked(where, logits))


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any, where: Any = None) -> tuple[Any, Any]:
    """Return the first and second derivative of the loss, what Newton steps and boosting need, in one pass.

    With ``x = logits`` and ``z = labels``::

        gradient = sigmoid(x) - z
        hessian  = sigmoid(x) * sigmoid(-x) = p * (1 - p),   p = sigmoid(-abs(x))

    ``logits`` are float16, bfloat16, float32 or float64; ``labels`` have their shape and are any float up to float64,
    any integer or bool, hard or soft. Both results have the shape and dtype of ``logits``. ``where``, for NumPy
    arrays, is a mask of the elements that count and broadcasts to the logits; the results of the others are +0.

    Raises
    ------
    ValueError
        If an argument is None, or the shapes differ.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: the gradient is ``1 - z`` at ``x = inf``, ``-z`` at ``x = -inf`` and nan where an argument is nan.
    The hessian is 1/4 at 0, 0 at both infinities, and does not depend on the label, not even on nan.

    Accuracy: float16, bfloat16 and float32 results are correctly rounded. float64 gradients are within 1 ulp for hard
    labels and within ``1 ulp + 2**-56 * min(sigmoid(x), 1 - sigmoid(x))`` for soft ones, hessians within 1 ulp.

    Source: the derivatives of the documented loss; ``h = s * (1 - s)``, as often written, is 0 from x = 17 in float32.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_grad_and_hess(labels=np.array([False, True]), logits=np.float32([0, 17]))
    (array([ 5.0000000e-01, -4.1399375e-08], dtype=float32), array([2.5000000e-01, 4.1399375e-08], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_grad_and_hess(labels=labels, logits=logits, **masked(where, logits))


def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None, where: Any = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss and its derivative with respect to the logits, reading each input once.

    With ``x = logits``, ``z = labels`` and ``n = logits.size``, also where losses are nan::

        loss     = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))
        mean     = sum(loss) / n
        gradient = (sigmoid(x) - z) / n

    Parameters
    ----------
    labels : array_like
        Hard or soft labels of the shape of ``logits``: any float up to float64, any integer or bool.
    logits : array_like
        Log-odds: float16, bfloat16, float32 or float64.
    out : ndarray, optional
        Takes the gradient; it has the shape and dtype of ``logits`` and may be ``logits`` itself.
    where : array_like of bool, optional
        Which elements count, for NumPy arrays; it broadcasts to the logits. The others have the gradient +0,
        whatever they hold, and ``n`` is the number of those that count.

    Returns
    -------
    mean : float
        The exact sum of the rounded losses, divided by ``n``, rounded once: the same for any order of the elements and
        any number of threads. nan for no elements.
    gradient : ndarray
        Of the shape and dtype of ``logits``.

    Raises
    ------
    ValueError
        If an argument is None, the shapes differ, or ``out`` has another shape or cannot be written to.
    TypeError
        If a dtype is not one of the above, ``out`` has another dtype than ``logits``, or an array cannot be summed.

    Notes
    -----
    Special values: a nan loss makes the mean nan, an infinite one infinite.

    Accuracy: the mean is correctly rounded with respect to the rounded losses. The gradient is divided before its one
    rounding: float16, bfloat16 and float32 gradients are correctly rounded, float64 ones within 1 ulp for hard labels.

    Source: the mean that PyTorch calls ``reduction="mean"``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_mean_and_grad(labels=np.array([1, 0]), logits=np.float32([0, 0]))
    (0.6931471824645996, array([-0.25,  0.25], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_mean_and_grad(
        labels=labels, logits=logits, out=out, **masked(where, logits)
    )


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any, where: Any = None) -> ExactSum:
    """Return the exact sum of the losses, writing no array.

    With ``x = logits`` and ``z = labels``::

        total = sum(z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)))

    ``total.compute()`` is ``math.fsum`` of what :func:`sigmoid_cross_entropy_with_logits` returns, ``total.mean()`` its
    mean over all elements, both rounded once. Totals of parts, from any machine, add up: ``a + b``.

    ``logits`` are float16, bfloat16, float32 or float64; ``labels`` have their shape and are any float up to float64,
    any integer or bool, hard or soft. ``where``, for NumPy arrays, is a mask of the elements that count and broadcasts
    to the logits; the others are not part of the total or of its ``count``, whatever they hold.

    Raises
    ------
    ValueError
        If an argument is None, or the shapes differ.
    TypeError
        If a dtype is not one of the above, or an array cannot be summed.

    Notes
    -----
    Special values: a nan loss makes the total nan, an infinite one infinite; :class:`logitloss.ExactSum` counts them.

    Accuracy: exact with respect to the rounded losses.

    Source: R. M. Neal, Fast exact summation using small and large superaccumulators, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> total = logitloss.sigmoid_cross_entropy_total(labels=np.array([1, 0]), logits=np.float32([0, 100]))
    >>> total.compute(), total.mean(), total.count
    (100.6931471824646, 50.3465735912323, 2)
    """
    return adapter(logits).sigmoid_cross_entropy_total(labels=labels, logits=logits, **masked(where, logits))


def weighted_cross_entropy_with_logits(
    *, labels: Any, logits: Any, pos_weight: Any, name: str | None = None, where: Any = None
) -> Any:
    """Return the sigmoid cross entropy whose positive part has a weight.

    A weight above 1 trades precision for recall. With ``x = logits``, ``z = labels`` and ``w = pos_weight``::

        loss = w * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))
             = x * A + M * log1p(exp(-abs(x))),   A = 1 - z where x > 0, else -w * z,   M = 1 - z + w * z

    Parameters
    ----------
    labels : array_like
        Hard or soft labels of the shape of ``logits``: any float up to float64, any integer or bool.
    logits : array_like
        Log-odds: float16, bfloat16, float32 or float64.
    pos_weight : array_like
        A number, or an array that broadcasts to the shape of ``logits`` without enlarging it. It counts as float64.
    name : str, optional
        A name for the operation; it stands in front of an error's text.
    where : array_like of bool, optional
        Which elements count, for NumPy arrays; it broadcasts to the logits. The others, whatever they hold, have the
        loss +0.

    Returns
    -------
    ndarray or scalar
        The losses, of the shape and dtype of ``logits``.

    Raises
    ------
    ValueError
        If an argument is None, the shapes differ, or ``pos_weight`` would enlarge ``logits``.
    TypeError
        If a dtype is not one of the above, or an array comes from a framework without an adapter.

    Notes
    -----
    Special values: at infinite logits the loss is its limit, with 0 * inf = 0, for a weight of 0 too. A nan in any
    argument gives nan.

    Accuracy: for labels in [0, 1] and weights that are not negative, float16, bfloat16 and float32 losses are correctly
    rounded, float64 losses within 0.75 ulp. With ``pos_weight = 1`` it has
    the bits of :func:`sigmoid_cross_entropy_with_logits`.

    Source: the operation of this name in TensorFlow.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.weighted_cross_entropy_with_logits(labels=[1.0, 0.0], logits=np.float32([0, 0]), pos_weight=3)
    array([2.0794415, 0.6931472], dtype=float32)
    """
    return adapter(logits).weighted_cross_entropy_with_logits(
        labels=labels, logits=logits, pos_weight=pos_weight, name=name, **masked(where, logits)
    )
