"""The losses: one function per loss, each docstring, check, dispatch."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._dispatch import adapter
from ._exact import ExactSum


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None, labels: Any = None, logits: Any = None, name: str | None = None
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
    return adapter(logits).sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name=name)


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the loss and its derivative with respect to the logits, in one pass over memory.

    The loss is that of :func:`sigmoid_cross_entropy_with_logits`, and with the same ``a``::

        gradient = sigmoid(x) - z = a - sigmoid(-x)  where x > 0,  a + sigmoid(x)  elsewhere

    Shapes, dtypes and errors are those of :func:`sigmoid_cross_entropy_with_logits`; the gradient has the shape and
    dtype of the logits.

    Notes
    -----
    Special values: the gradient is ``1 - z`` at ``x = inf``, ``-z`` at ``x = -inf``, exactly +0 at ``x = 0, z = 0.5``,
    nan where an argument is nan.

    Accuracy: float16, bfloat16 and float32 correctly rounded, next to the root ``sigmoid(x) = z`` too. float64 within
    1 ulp for hard labels; for soft ones within ``1 ulp + 2**-56 * min(sigmoid(x), 1 - sigmoid(x))``, the sign exact.

    Source: Newton and others minimise this loss by its gradient; the stable forms are derived in ``cpp/math``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_value_and_grad(labels=np.array([1, 0]), logits=np.float32([17, -17]))
    (array([4.1399375e-08, 4.1399375e-08], dtype=float32), array([-4.1399375e-08,  4.1399375e-08], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Any) -> tuple[Any, Any]:
    """Return the first and second derivative of the loss, what Newton steps and boosting need, in one pass.

    ::

        gradient = sigmoid(x) - z
        hessian  = sigmoid(x) * sigmoid(-x) = p * (1 - p),   p = sigmoid(-abs(x))

    Shapes, dtypes and errors are those of :func:`sigmoid_cross_entropy_with_logits`; both results have the shape and
    dtype of the logits.

    Notes
    -----
    Special values: the hessian is 1/4 at 0, 0 at both infinities, and does not depend on the label, not even on nan.
    The gradient is that of :func:`sigmoid_cross_entropy_value_and_grad`.

    Accuracy: float16, bfloat16 and float32 correctly rounded. float64: the hessian within 1 ulp.

    Source: the derivatives of the documented loss; ``h = s * (1 - s)``, as often written, is 0 from x = 17 in float32.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_grad_and_hess(labels=np.array([False, True]), logits=np.float32([0, 17]))
    (array([ 5.0000000e-01, -4.1399375e-08], dtype=float32), array([2.5000000e-01, 4.1399375e-08], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_grad_and_hess(labels=labels, logits=logits)


def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Any, out: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Return the mean loss and its derivative with respect to the logits, reading each input once.

    ::

        mean     = sum(loss) / n                 n = logits.size, also where losses are nan
        gradient = (sigmoid(x) - z) / n

    Shapes and dtypes are those of :func:`sigmoid_cross_entropy_with_logits`, for NumPy arrays.

    Parameters
    ----------
    labels, logits : array_like
        As above.
    out : ndarray, optional
        The place of the gradient, of the shape and dtype of ``logits``; it may be ``logits`` itself.

    Returns
    -------
    mean : float
        The exact sum of the rounded losses, divided by ``n``, rounded once: the same for any order of the elements and
        any number of threads. nan for no elements.
    gradient : ndarray
        Of the shape and dtype of ``logits``.

    Raises
    ------
    ValueError, TypeError
        As in :func:`sigmoid_cross_entropy_with_logits`, or if ``out`` does not fit.

    Notes
    -----
    Special values: a nan loss makes the mean nan, an infinite one infinite.

    Accuracy: the mean is correctly rounded with respect to the rounded losses. The gradient is divided before its one
    rounding, so it is as accurate as that of :func:`sigmoid_cross_entropy_value_and_grad`.

    Source: the mean that PyTorch calls ``reduction="mean"``.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.sigmoid_cross_entropy_mean_and_grad(labels=np.array([1, 0]), logits=np.float32([0, 0]))
    (0.6931471824645996, array([-0.25,  0.25], dtype=float32))
    """
    return adapter(logits).sigmoid_cross_entropy_mean_and_grad(labels=labels, logits=logits, out=out)


def sigmoid_cross_entropy_total(*, labels: Any, logits: Any) -> ExactSum:
    """Return the exact sum of the losses, writing no array.

    ::

        total = sum(loss)

    ``total.compute()`` is ``math.fsum`` of what :func:`sigmoid_cross_entropy_with_logits` returns, ``total.mean()`` its
    mean over all elements, both rounded once. Totals of parts, from any machine, add up: ``a + b``.

    Shapes, dtypes and errors are those of :func:`sigmoid_cross_entropy_with_logits`, for NumPy arrays.

    Notes
    -----
    Special values: nan and infinite losses are counted apart, see :class:`logitloss.ExactSum`.

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
    return adapter(logits).sigmoid_cross_entropy_total(labels=labels, logits=logits)


def weighted_cross_entropy_with_logits(*, labels: Any, logits: Any, pos_weight: Any, name: str | None = None) -> Any:
    """Return the sigmoid cross entropy whose positive part has a weight.

    A weight above 1 trades precision for recall. With ``x = logits``, ``z = labels`` and ``w = pos_weight``::

        loss = w * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))
             = x * A + M * log1p(exp(-abs(x))),   A = 1 - z where x > 0, else -w * z,   M = 1 - z + w * z

    Parameters
    ----------
    labels, logits, name
        As in :func:`sigmoid_cross_entropy_with_logits`.
    pos_weight : array_like
        A number, or an array that broadcasts to the shape of ``logits`` without enlarging it. It counts as float64.

    Returns
    -------
    ndarray or scalar
        The losses, of the shape and dtype of ``logits``.

    Raises
    ------
    ValueError, TypeError
        As in :func:`sigmoid_cross_entropy_with_logits`, or if ``pos_weight`` does not fit.

    Notes
    -----
    Special values: as in :func:`sigmoid_cross_entropy_with_logits`, with 0 * inf = 0 for a weight of 0 too.

    Accuracy: as in :func:`sigmoid_cross_entropy_with_logits`, and with ``pos_weight = 1`` its very bits, for labels in
    [0, 1] and weights that are not negative.

    Source: the operation of this name in TensorFlow.

    Examples
    --------
    >>> import numpy as np
    >>> import logitloss
    >>> logitloss.weighted_cross_entropy_with_logits(labels=[1.0, 0.0], logits=np.float32([0, 0]), pos_weight=3)
    array([2.0794415, 0.6931472], dtype=float32)
    """
    return adapter(logits).weighted_cross_entropy_with_logits(
        labels=labels, logits=logits, pos_weight=pos_weight, name=name
    )
