"""The sigmoid cross entropy as objective and evaluation metric of XGBoost, LightGBM and CatBoost.

Models trained with an objective of one's own predict raw margins, the logits, not probabilities. Each class here has
the methods that its library asks for; none imports it. For a margin ``x`` with label ``z``, the weight ``s`` of its
sample and ``w = pos_weight``::

    loss     = s * (w * z * -log(p) + (1 - z) * -log(1 - p)),   p = sigmoid(x)
    gradient = s * (w * z * (p - 1) + (1 - z) * p)
    hessian  = s * (w * z + (1 - z)) * p * (1 - p)

Labels are hard or soft, from 0 to 1. A label that is nan or :data:`NOT_COUNTED` is not counted: it has no gradient, no
hessian and no part in the metric, by selection, whatever its margin.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _checks
from ._exact import weighted_mean, weighted_sums
from ._numpy import sigmoid_cross_entropy_grad_and_hess, weighted_cross_entropy_with_logits

__all__ = ["NOT_COUNTED", "CatBoostLoss", "LightGBMLoss", "XGBoostLoss"]

NOT_COUNTED = -9.0
"""What stands for nan in the labels of a library, where XGBoost and CatBoost refuse nan and LightGBM reads it as 0."""

_NAME = "sigmoid_cross_entropy"


class _Loss:
    """What the libraries have in common.

    Parameters
    ----------
    pos_weight : array_like
        The weight of the positive part: a number, or one for each column of labels.
    """

    def __init__(self, pos_weight: Any = 1.0) -> None:
        """Keep the weight of the positive part."""
        weight = np.asarray(pos_weight, np.float64)
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError(f"pos_weight must be finite and not negative, got {pos_weight!r}. Pass 1 for no weight.")
        self.pos_weight = pos_weight

    def _grad_and_hess(self, labels: Any, margins: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray]:
        """The derivatives, of the dtype of the margins."""
        margins, labels, counted, weight = _unpacked(labels, margins, sample_weight)
        _checks.pos_weight_fits(np.asarray(self.pos_weight), margins)
        if np.all(np.equal(self.pos_weight, 1)):
            gradient, hessian = sigmoid_cross_entropy_grad_and_hess(labels=labels, logits=margins)
        else:  # part by part: of a hard label one is 0 and the other keeps its digits
            whole = np.ones(margins.shape, bool)
            positive, hessian = sigmoid_cross_entropy_grad_and_hess(labels=whole, logits=margins)
            negative, _ = sigmoid_cross_entropy_grad_and_hess(labels=~whole, logits=margins)
            weighted = labels * self.pos_weight
            gradient = weighted * positive + (1 - labels) * negative
            hessian = (weighted + (1 - labels)) * hessian
        if weight is not None:
            gradient, hessian, counted = gradient * weight, hessian * weight, counted & (weight != 0)
        return _selected(counted, gradient, margins), _selected(counted, hessian, margins)

    def _counted_losses(self, labels: Any, margins: Any, sample_weight: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """The losses of the counted labels in float64, and their samples' weights."""
        margins, labels, counted, weight = _unpacked(labels, margins, sample_weight)
        losses = weighted_cross_entropy_with_logits(
            labels=labels, logits=margins.astype(np.float64), pos_weight=self.pos_weight
        )
        return losses[counted], None if weight is None else np.broadcast_to(weight, losses.shape)[counted]


class _TreeLoss(_Loss):
    """XGBoost and LightGBM agree on objectives, and differ in what a metric returns."""

    def objective(self, preds: Any, data: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and hessian, for the native ``train``: ``preds`` are margins, ``data`` has the labels."""
        return self._grad_and_hess(data.get_label(), preds, data.get_weight())

    def sklearn_objective(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and hessian, for the classes in scikit-learn's style; ``sample_weight`` is XGBoost's name."""
        return self._grad_and_hess(y_true, y_pred, sample_weight)


class XGBoostLoss(_TreeLoss):
    """Objective and metric of XGBoost.

    ``xgboost.train(params, dtrain, obj=loss.objective, custom_metric=loss.metric)`` with ``base_score`` 0 and, to see
    this metric alone, ``disable_default_eval_metric``; or ``XGBClassifier(objective=loss.sklearn_objective,
    eval_metric=loss.sigmoid_cross_entropy)``. Labels of shape (n, k) train k outputs.

    Notes
    -----
    Accuracy: float32 gradients of unweighted samples are correctly rounded; with weights they are within 1.5 ulp,
    for hard labels and normal numbers. The metric computes in float64, see :meth:`sigmoid_cross_entropy`.

    Examples
    --------
    >>> import numpy as np
    >>> from logitloss.boosting import XGBoostLoss
    >>> loss = XGBoostLoss(pos_weight=2)
    >>> loss.sklearn_objective(np.array([1, np.nan]), np.float32([17, 17]))
    (array([-8.279875e-08,  0.000000e+00], dtype=float32), array([8.279875e-08, 0.000000e+00], dtype=float32))
    >>> loss.sigmoid_cross_entropy(np.array([0, np.nan]), np.float32([17, 17]))
    17.000000041399375
    """

    def metric(self, preds: Any, data: Any) -> tuple[str, float]:
        """Return name and mean loss, for the native ``train``."""
        return _NAME, self.sigmoid_cross_entropy(data.get_label(), preds, data.get_weight())

    def sigmoid_cross_entropy(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> float:
        """Return the mean loss: sum(loss) over the sum of the weights ``s`` of all counted labels, exactly summed.

        It is nan where nothing is counted. XGBoost shows it under the name of this method.
        """
        return weighted_mean(*self._counted_losses(y_true, y_pred, sample_weight))


class LightGBMLoss(_TreeLoss):
    """Objective and metric of LightGBM.

    ``lightgbm.train({"objective": loss.objective}, data, feval=loss.metric)``, or ``LGBMClassifier(objective=
    loss.sklearn_objective)`` and ``fit(..., eval_metric=loss.sklearn_metric)``. Training starts at 0, as LightGBM does
    not average labels for an objective of one's own; another start is an ``init_score``, not part of a prediction.

    Notes
    -----
    Accuracy: that of :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` in float64; LightGBM rounds to float32.

    Examples
    --------
    >>> import numpy as np
    >>> from logitloss.boosting import LightGBMLoss
    >>> LightGBMLoss().sklearn_metric(np.array([0, 1]), np.array([17.0, 40.0]), np.array([3, 1]))
    ('sigmoid_cross_entropy', 12.750000031049531, False)
    """

    def metric(self, preds: Any, data: Any) -> tuple[str, float, bool]:
        """Return name, mean loss and that less is better, for the native ``train``."""
        return self.sklearn_metric(data.get_label(), preds, data.get_weight())

    def sklearn_metric(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> tuple[str, float, bool]:
        """Return name, mean loss (sum(loss) over the sum of the weights of all counted labels) and False."""
        return _NAME, weighted_mean(*self._counted_losses(y_true, y_pred, sample_weight)), False


class CatBoostLoss(_Loss):
    """Objective and metric of CatBoost, one object for both.

    ``CatBoost({"loss_function": loss, "eval_metric": loss})``. CatBoost asks for derivatives of what it maximises, the
    negative loss.

    Notes
    -----
    Accuracy: that of :func:`logitloss.sigmoid_cross_entropy_grad_and_hess` in float64.

    Examples
    --------
    >>> import numpy as np
    >>> from logitloss.boosting import CatBoostLoss
    >>> CatBoostLoss().calc_ders_range(np.array([0.0, 40.0]), np.float32([0, 1]), None)
    array([[-5.00000000e-01, -2.50000000e-01],
           [ 4.24835426e-18, -4.24835426e-18]])
    """

    def __deepcopy__(self, memo: Any) -> CatBoostLoss:
        """Return self: CatBoost's models copy their arguments, and scikit-learn's ``clone`` asks for the same."""
        return self

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> np.ndarray:
        """Return the first and second derivatives of the negative loss, a row for each sample."""
        return -np.stack(self._grad_and_hess(targets, approxes, weights), axis=1)

    def is_max_optimal(self) -> bool:
        """Return that less is better."""
        return False

    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        """Return the exact sum of the weighted losses of all counted labels, and that of their weights."""
        losses, weights = self._counted_losses(target, approxes[0], weight)
        return weighted_sums(losses, np.ones_like(losses) if weights is None else weights)

    def get_final_error(self, error: float, weight: float) -> float:
        """Return the mean loss: the two sums' quotient, nan where nothing is counted."""
        return error / weight if weight else float("nan")


def _unpacked(labels: Any, margins: Any, weight: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray | None]:
    """Margins, labels in float64 with 0 where they are not counted, which are, and weights that broadcast to them."""
    margins, labels = np.asarray(margins), np.asarray(labels, np.float64)
    if labels.size != margins.size:
        raise ValueError(
            f"labels must be one for each margin, got {labels.shape} for margins of shape {margins.shape}. "
            "Give each column of labels an output, or each output a column."
        )
    labels = labels.reshape(margins.shape)
    counted = ~(np.isnan(labels) | (labels == NOT_COUNTED))
    labels = np.where(counted, labels, 0)
    outside = (labels < 0) | (labels > 1)
    if outside.any():
        raise ValueError(
            f"labels must be from 0 to 1, or nan or {NOT_COUNTED:g} if not counted, got {labels[outside][0]:g}. "
            "Map the classes to 0 and 1."
        )
    if weight is None or np.size(weight) == 0:  # XGBoost has no None
        return margins, labels, counted, None
    weight = np.asarray(weight, np.float64)
    if weight.size != len(margins):
        raise ValueError(
            f"sample_weight must be one for each row, got {weight.shape} for margins of shape {margins.shape}. "
            "Weigh columns by pos_weight, or train a model for each."
        )
    return margins, labels, counted, weight.reshape(-1, *[1] * (margins.ndim - 1))


def _selected(counted: np.ndarray, values: np.ndarray, like: np.ndarray) -> np.ndarray:
    """The values of what is counted, else 0, as the libraries keep them."""
    return np.where(counted, values, 0).astype(like.dtype)
