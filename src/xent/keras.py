"""Losses for Keras, of logits, on whichever of its backends is chosen: the classes and functions of ``keras.losses``.

The loss of each element is computed by :mod:`xent`, which knows the arrays of TensorFlow, JAX, PyTorch and NumPy; what
stands here is what Keras does around it: ranks, label smoothing, an ignored class, means. Sample weights, masks and
reductions are left to :class:`keras.losses.Loss`.

Import this module before a model that was saved with these losses is loaded: they are registered under ``xent``.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops
from keras.src.backend import set_keras_mask  # how a loss tells its base class what it ignores has no public name

from .losses import sigmoid_cross_entropy_with_logits
from .softmax import softmax_cross_entropy_with_logits, sparse_softmax_cross_entropy_with_logits

_registered = keras.saving.register_keras_serializable(package="xent")


@_registered
def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = True, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return the mean along an axis of the sigmoid cross entropy of independent labels.

    With ``x = y_pred`` and ``z = y_true``, smoothed with ``s = label_smoothing``::

        z    = (1 - s) * y_true + s / 2
        loss = mean(z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)), axis)

    Parameters
    ----------
    y_true : array_like
        Labels of the shape of ``y_pred``, of whose dtype they become; either may lack a last axis of one element.
    y_pred : array_like
        Logits: float16, bfloat16, float32 or float64.
    from_logits : bool
        True, for Keras's sake.
    label_smoothing : float
        From 0 to 1.

    Raises
    ------
    ValueError
        If ``from_logits`` is not True, ``label_smoothing`` is out of its range, or the shapes differ.

    Notes
    -----
    Special values, accuracy and gradient: those of :func:`xent.sigmoid_cross_entropy_with_logits` for the backend's
    arrays, before the mean, which is ``keras.ops.mean``.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import xent.keras
    >>> print(f"{float(xent.keras.binary_crossentropy([1.0], [17.0])):.7g}")
    4.139937e-08
    """
    _logits_only(from_logits)
    y_true, y_pred = _same_rank(*_tensors(y_true, y_pred))
    y_true = _smoothed(y_true, label_smoothing, 0.5)
    return ops.mean(sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred), axis=axis)


@_registered
def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = True, label_smoothing: float = 0.0, axis: int = -1
) -> Any:
    """Return the softmax cross entropy of distributions over classes, one loss per row.

    With ``x = y_pred`` and ``s = label_smoothing``::

        z    = (1 - s) * y_true + s / classes
        loss = sum(z * -log(softmax(x)), axis)

    Parameters, dtypes and errors are those of :func:`binary_crossentropy`; ``axis`` is that of the classes, along which
    the smoothing counts them too.

    Notes
    -----
    Special values, accuracy and gradient: those of :func:`xent.softmax_cross_entropy_with_logits` for the backend's
    arrays; the gradient is the true one, also for labels that do not sum to 1.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import xent.keras
    >>> print(f"{float(xent.keras.categorical_crossentropy([[1.0, 0.0]], [[40.0, 0.0]])[0]):.7g}")
    4.248354e-18
    """
    _logits_only(from_logits)
    y_true, y_pred = _same_rank(*_tensors(y_true, y_pred))
    if label_smoothing:
        y_true = _smoothed(y_true, label_smoothing, 1 / y_pred.shape[axis])
    return softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred, axis=axis)


@_registered
def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = True, ignore_class: int | None = None, axis: int = -1
) -> Any:
    """Return the softmax cross entropy of class indices, one loss per row.

    With ``x = y_pred`` and ``y = y_true``::

        loss = -log(softmax(x)_y),  0 where y is ignore_class

    Parameters
    ----------
    y_true : array_like
        Class indices, of the shape of ``y_pred`` without ``axis``, or with one element there.
    y_pred, from_logits
        As in :func:`binary_crossentropy`; the classes are along any ``axis`` on every backend.
    ignore_class : int, optional
        A label whose rows do not count, whatever their logits; it need not be a class. The losses carry a mask, by
        which the mean of :class:`SparseCategoricalCrossentropy` leaves them out of its denominator too.

    Raises
    ------
    ValueError
        As in :func:`binary_crossentropy`, or for a label that is no class; in compiled code the loss is nan instead.

    Notes
    -----
    Special values, accuracy and gradient: those of :func:`xent.sparse_softmax_cross_entropy_with_logits` for the
    backend's arrays.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import xent.keras
    >>> print(f"{float(xent.keras.sparse_categorical_crossentropy([0], [[40.0, 0.0]])[0]):.7g}")
    4.248354e-18
    """
    _logits_only(from_logits)
    y_pred = ops.moveaxis(ops.convert_to_tensor(y_pred), axis, -1)
    y_true = ops.convert_to_tensor(y_true)
    if len(y_true.shape) == len(y_pred.shape):
        y_true = ops.squeeze(y_true, axis)
    y_true = ops.cast(y_true, "int32")
    if ignore_class is None:
        return sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    counts = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(counts, y_true, ops.zeros_like(y_true))
    y_pred = ops.where(ops.expand_dims(counts, -1), y_pred, ops.zeros_like(y_pred))
    loss = sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    loss = ops.where(counts, loss, ops.zeros_like(loss))
    set_keras_mask(loss, counts)
    return loss


class _FromLogits(keras.losses.Loss):
    """A loss whose options are arguments of a function of labels and logits."""

    def __init__(self, function: Any, reduction: Any, name: str, dtype: Any, **options: Any) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        _logits_only(options["from_logits"])
        self._function, self._options = function, options

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses before sample weights and reduction."""
        return self._function(y_true, y_pred, **self._options)

    def get_config(self) -> dict:
        """Return the arguments that make this loss again."""
        return super().get_config() | self._options


@_registered
class BinaryCrossentropy(_FromLogits):
    """:func:`binary_crossentropy` as a loss for ``model.compile``, in the place of Keras's with ``from_logits=True``.

    The arguments are those of :class:`keras.losses.BinaryCrossentropy`. With ``reduction="sum_over_batch_size"`` the
    loss is the sum of the weighted losses over their number; the sum of the weights is not the denominator.

    >>> import xent.keras
    >>> print(f"{float(xent.keras.BinaryCrossentropy()([[1.0], [0.0]], [[17.0], [-17.0]])):.7g}")
    4.139937e-08
    """

    def __init__(
        self,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        """Take the arguments of Keras."""
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(binary_crossentropy, reduction, name, dtype, **options)


@_registered
class CategoricalCrossentropy(_FromLogits):
    """:func:`categorical_crossentropy` as a loss for ``model.compile``; see :class:`BinaryCrossentropy`.

    >>> import xent.keras
    >>> print(f"{float(xent.keras.CategoricalCrossentropy()([[1.0, 0.0]], [[40.0, 0.0]])):.7g}")
    4.248354e-18
    """

    def __init__(
        self,
        from_logits: bool = True,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        """Take the arguments of Keras."""
        options = {"from_logits": from_logits, "label_smoothing": label_smoothing, "axis": axis}
        super().__init__(categorical_crossentropy, reduction, name, dtype, **options)


@_registered
class SparseCategoricalCrossentropy(_FromLogits):
    """:func:`sparse_categorical_crossentropy` as a loss for ``model.compile``; see :class:`BinaryCrossentropy`.

    >>> import xent.keras
    >>> loss = xent.keras.SparseCategoricalCrossentropy(ignore_class=-1)
    >>> print(f"{float(loss([0, -1], [[40.0, 0.0], [7.0, 9.0]])):.7g}")
    4.248354e-18
    """

    def __init__(
        self,
        from_logits: bool = True,
        ignore_class: int | None = None,
        reduction: str | None = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        """Take the arguments of Keras."""
        options = {"from_logits": from_logits, "ignore_class": ignore_class, "axis": axis}
        super().__init__(sparse_categorical_crossentropy, reduction, name, dtype, **options)


def _logits_only(from_logits: Any) -> None:
    if from_logits is not True:
        raise ValueError(
            f"from_logits must be True, got {from_logits!r}: these losses are of logits. Leave the activation out of "
            "the model's last layer, or use the loss of this name in keras.losses for probabilities."
        )


def _tensors(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = ops.convert_to_tensor(y_pred)
    return ops.cast(y_true, y_pred.dtype), y_pred


def _same_rank(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Give either a last axis of one element that the other has: labels (n,) go with the logits (n, 1) of a layer."""
    if len(y_true.shape) + 1 == len(y_pred.shape) and y_pred.shape[-1] == 1:
        return ops.expand_dims(y_true, -1), y_pred
    if len(y_pred.shape) + 1 == len(y_true.shape) and y_true.shape[-1] == 1:
        return y_true, ops.expand_dims(y_pred, -1)
    return y_true, y_pred


def _smoothed(y_true: Any, smoothing: float, even: float) -> Any:
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {smoothing}. 0 leaves the labels as they are.")
    return y_true * (1 - smoothing) + smoothing * even if smoothing else y_true
