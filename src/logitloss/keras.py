"""Losses for Keras, of logits, on whichever of its backends is chosen: the classes and functions of ``keras.losses``.

The loss of each element is computed by :mod:`logitloss`, which knows the arrays of TensorFlow, JAX, PyTorch and NumPy;
what stands here is what Keras does around it: ranks, label smoothing, an ignored class, means. Sample weights, masks
and reductions are left to :class:`keras.losses.Loss`.

Import this module before a model that was saved with these losses is loaded: they are registered under ``logitloss``.
"""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops
from keras.src.backend import set_keras_mask  # how a loss tells its base class what it ignores has no public name

from ._checks import softmax_shapes
from ._dispatch import adapter

_CLASSES = {"bfloat16": 2**8 + 1, "float16": 2**11 + 1}  # classes whose indices the dtype represents exactly

_registered = keras.saving.register_keras_serializable(package="logitloss")


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
        Labels of the shape of ``y_pred``, of whose dtype they become. Where one of both has a last axis of one element
        more, a vector gets it and a longer array loses it, as in Keras.
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
    Special values, accuracy and gradient: those of :func:`logitloss.sigmoid_cross_entropy_with_logits` for the
    backend's arrays, before the mean, which is ``keras.ops.mean``.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import logitloss.keras
    >>> print(f"{float(logitloss.keras.binary_crossentropy([1.0], [17.0])):.7g}")
    4.139937e-08
    """
    _logits_only(from_logits)
    y_true, y_pred = _pair(y_true, y_pred)
    y_true = _smoothed(y_true, label_smoothing, 2)
    return ops.mean(adapter(y_pred).sigmoid_cross_entropy_with_logits(labels=y_true, logits=y_pred), axis=axis)


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
    Special values, accuracy and gradient: those of :func:`logitloss.softmax_cross_entropy_with_logits` for the
    backend's arrays; the gradient is the true one, also for labels that do not sum to 1.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import logitloss.keras
    >>> print(f"{float(logitloss.keras.categorical_crossentropy([[1.0, 0.0]], [[40.0, 0.0]])[0]):.7g}")
    4.248354e-18
    """
    _logits_only(from_logits)
    y_true, y_pred = _pair(y_true, y_pred)
    axis = softmax_shapes(y_pred.shape, y_pred.shape, axis)
    shape: Any = ops.shape(y_pred)
    y_true = _smoothed(y_true, label_smoothing, shape[axis])
    return adapter(y_pred).softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred, axis=axis)


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
        As in :func:`binary_crossentropy`, or for a label that is not a class; in compiled code the loss is nan instead.

    Notes
    -----
    Special values, accuracy and gradient: those of :func:`logitloss.sparse_softmax_cross_entropy_with_logits` for the
    backend's arrays.

    Source: the function of this name in Keras.

    Examples
    --------
    >>> import logitloss.keras
    >>> print(f"{float(logitloss.keras.sparse_categorical_crossentropy([0], [[40.0, 0.0]])[0]):.7g}")
    4.248354e-18
    """
    _logits_only(from_logits)
    y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
    axis = softmax_shapes(y_pred.shape, y_pred.shape, axis)
    if len(y_true.shape) == len(y_pred.shape) and y_true.shape[axis] == 1:
        y_true = ops.squeeze(y_true, axis)
    y_true, y_pred = ops.cast(y_true, "int32"), ops.moveaxis(y_pred, axis, -1)
    if ignore_class is None:
        return adapter(y_pred).sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
    counts = ops.not_equal(y_true, ignore_class)
    y_true = ops.where(counts, y_true, ops.zeros_like(y_true))
    y_pred = ops.where(ops.expand_dims(counts, -1), y_pred, ops.zeros_like(y_pred))
    loss = adapter(y_pred).sparse_softmax_cross_entropy_with_logits(labels=y_true, logits=y_pred)
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
    """:func:`binary_crossentropy` as a loss for ``model.compile``, to replace Keras's with ``from_logits=True``.

    The arguments are those of :class:`keras.losses.BinaryCrossentropy`. With ``reduction="sum_over_batch_size"`` the
    loss is the sum of the weighted losses over their number; the sum of the weights is not the denominator.

    >>> import logitloss.keras
    >>> print(f"{float(logitloss.keras.BinaryCrossentropy()([[1.0], [0.0]], [[17.0], [-17.0]])):.7g}")
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

    >>> import logitloss.keras
    >>> print(f"{float(logitloss.keras.CategoricalCrossentropy()([[1.0, 0.0]], [[40.0, 0.0]])):.7g}")
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

    >>> import logitloss.keras
    >>> loss = logitloss.keras.SparseCategoricalCrossentropy(ignore_class=-1)
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

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the losses, of labels that the base class has cast to the loss's dtype."""
        losses, y_pred = super().call(y_true, y_pred), ops.convert_to_tensor(y_pred)
        if (y_pred.shape[self._options["axis"]] or 0) > _CLASSES.get(self.dtype, math.inf):
            raise ValueError(
                f"dtype must hold every class index, got {self.dtype} for logits of shape {tuple(y_pred.shape)}: Keras "
                'casts the labels to it. Use dtype="float32", or sparse_categorical_crossentropy.'
            )
        return losses


def _logits_only(from_logits: Any) -> None:
    if from_logits is not True:
        raise ValueError(
            f"from_logits must be True, got {from_logits!r}: these losses are of logits. Leave the activation out of "
            "the model's last layer, or use the loss of this name in keras.losses for probabilities."
        )


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Labels and logits of one dtype and one shape, as far as the shapes are known."""
    y_pred = ops.convert_to_tensor(y_pred)
    y_true, y_pred = _same_rank(ops.cast(y_true, y_pred.dtype), y_pred)
    labels, logits = tuple(y_true.shape), tuple(y_pred.shape)
    if len(labels) != len(logits) or any(a != b for a, b in zip(labels, logits, strict=True) if None not in (a, b)):
        raise ValueError(
            f"y_true must have the shape of y_pred, got {labels} and {logits}. Reshape one; class indices are for the "
            "sparse loss."
        )
    return y_true, y_pred


def _same_rank(a: Any, b: Any) -> tuple[Any, Any]:
    """Settle a last axis of one element that only one has, such that sample weights mean what they mean in Keras."""
    if len(a.shape) > len(b.shape):
        return _same_rank(b, a)[::-1]
    if len(a.shape) + 1 == len(b.shape) and b.shape[-1] == 1:
        return (ops.expand_dims(a, -1), b) if len(a.shape) < 2 else (a, ops.squeeze(b, -1))
    return a, b


def _smoothed(y_true: Any, smoothing: float, parts: Any) -> Any:
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must be from 0 to 1, got {smoothing}. 0 leaves the labels as they are.")
    parts = ops.cast(parts, y_true.dtype)
    return y_true * (1 - smoothing) + smoothing / parts if smoothing else y_true
