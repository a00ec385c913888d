"""Log loss from logits in scikit-learn's signatures: a metric, a scorer and a reliability diagram.

scikit-learn's own take probabilities, from which the logits cannot come back: its ``log_loss`` clips a confident
mistake at 36.04, and at 15.94 in float32. Labels, weights and what is said of them are scikit-learn's own here.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from sklearn.calibration import CalibrationDisplay, calibration_curve
from sklearn.metrics import make_scorer
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from ._exact import ExactSum, weighted_mean, weighted_sums
from ._intervals import clopper_pearson
from ._numpy import sigmoid_cross_entropy_with_logits, softmax_cross_entropy_with_logits
from .ufuncs import sigmoid_cross_entropy_grad

__all__ = ["ReliabilityDisplay", "log_loss_from_logits", "neg_log_loss_from_logits_scorer"]


def log_loss_from_logits(
    y_true: Any, y_logit: Any, *, normalize: bool = True, sample_weight: Any = None, labels: Any = None
) -> float:
    """Return the log loss of logits: :func:`sklearn.metrics.log_loss` without the detour over probabilities.

    With the logits ``x`` and ``z = 1`` for the right class, else 0::

        loss_i = z_i * -log(sigmoid(x_i)) + (1 - z_i) * -log(1 - sigmoid(x_i))     one logit per sample
        loss_i = -log(softmax(x_i)_right)                                          one logit per class
        mean   = sum(w_i * loss_i) / sum(w_i)                                      w_i = 1 without sample_weight

    Parameters
    ----------
    y_true : array-like of shape (n_samples,), or label indicator matrix
        The right classes, of any type that scikit-learn takes for labels.
    y_logit : array-like of shape (n_samples,) or (n_samples, n_classes)
        Log-odds of the second of two classes, as ``decision_function`` of a binary logistic model gives them, or one
        unscaled log-probability for each class, the classes sorted. It counts as float64, which changes no float32.
        Log-probabilities of ``predict_log_proba`` will do, too.
    normalize : bool, default=True
        Return the mean; otherwise the sum, ``sum(w_i * loss_i)``.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights. The mean is divided by their sum.
    labels : array-like, default=None
        All classes, where ``y_true`` lacks some.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If a logit is nan, or lengths, labels or shapes do not fit.

    Notes
    -----
    Special values: infinite logits give the limit, 0 for the right class and inf for a wrong one. A sample of weight 0
    adds nothing, whatever its logit.

    Accuracy: losses in float64, within 0.75 ulp for one logit per sample and 2 ulp for several. Their sum is exact and
    rounded once; a weighted sum rounds each product before that, and its mean twice more.

    Source: :func:`sklearn.metrics.log_loss`.

    Examples
    --------
    >>> from logitloss.sklearn import log_loss_from_logits
    >>> log_loss_from_logits(["ham", "spam", "ham"], [-2.0, 0.5, 40.0])
    13.533668331741026
    >>> log_loss_from_logits([2, 0], [[0.0, 1.0, 40.0], [3.0, 0.0, 0.0]], labels=[0, 1, 2])
    0.047461478210480454
    """
    x = _logits(y_logit)
    check_consistent_length(x, y_true, sample_weight)
    weights = None if sample_weight is None else _check_sample_weight(sample_weight, x, dtype=np.float64)
    z = _indicators(y_true, labels, max(2, x.shape[1]))
    if x.shape[1] == z.shape[1] == 1:
        losses = sigmoid_cross_entropy_with_logits(labels=z[:, 0], logits=x[:, 0])
    else:  # sigmoid(x) is the second of softmax([0, x])
        x = np.hstack([np.zeros_like(x), x]) if x.shape[1] == 1 else x
        losses = softmax_cross_entropy_with_logits(labels=np.hstack([1 - z, z]) if z.shape[1] == 1 else z, logits=x)
    if normalize:
        return weighted_mean(losses, weights)
    return ExactSum(losses).compute() if weights is None else weighted_sums(losses, weights)[0]


neg_log_loss_from_logits_scorer = make_scorer(
    log_loss_from_logits, greater_is_better=False, response_method="decision_function"
)
"""The negated mean loss of ``decision_function``, for ``cross_val_score``, ``GridSearchCV`` and their like."""


def _logits(y_logit: Any) -> np.ndarray:
    """The logits as a matrix; infinite ones are right, unlike nan."""
    x = check_array(y_logit, ensure_2d=False, dtype="float64", ensure_all_finite=False, input_name="y_logit")
    if np.isnan(x).any():
        raise ValueError("Input y_logit contains NaN. Drop these samples, or impute what the model could not score.")
    return x.reshape(-1, 1) if x.ndim == 1 else x


def _indicators(y_true: Any, labels: Any, n_logits: int) -> np.ndarray:
    """A column for each class with 1 for the right one, only the second of two; the sentences are those of log_loss."""
    binarizer = LabelBinarizer().fit(y_true if labels is None else labels)
    classes = binarizer.classes_
    if labels is not None:
        unknown = set(np.ravel(y_true).tolist()) - set(classes.tolist())
        if unknown:
            raise ValueError(
                f"y_true contains values {sorted(unknown, key=str)} not belonging to the passed labels {list(labels)}."
            )
        if not np.array_equal(classes, labels):
            warnings.warn(
                f"Labels passed were {list(labels)}. But this function assumes labels are ordered lexicographically. "
                f"Pass the ordered labels={classes.tolist()} and ensure that the columns of y_logit correspond to this "
                "ordering.",
                UserWarning,
                stacklevel=3,
            )
    if len(classes) == 1:
        raise ValueError(
            f"y_true contains only one label ({classes[0]}). Please provide the list of all expected class labels "
            "explicitly through the labels argument."
            if labels is None
            else f"The labels array needs to contain at least two labels, got {classes.tolist()}."
        )
    if len(classes) != n_logits:
        raise ValueError(
            f"y_true and y_logit contain different number of classes: {len(classes)} vs {n_logits}. "
            f"{'Please provide the true labels explicitly through the labels argument. ' if labels is None else ''}"
            f"Classes found: {classes.tolist()}."
        )
    return binarizer.transform(y_true)


class ReliabilityDisplay(CalibrationDisplay):
    """How often predictions come true: :class:`sklearn.calibration.CalibrationDisplay` from logits, with bands.

    Make it with :meth:`from_estimator` or :meth:`from_predictions`. Bins, axes and legend are those of scikit-learn;
    the band holds, for each bin, the shares of positives that its count is compatible with: the interval of Clopper and
    Pearson at 95 %.

    Parameters
    ----------
    prob_true, prob_pred, y_prob, estimator_name, pos_label
        As in :class:`sklearn.calibration.CalibrationDisplay`.
    counts : ndarray of shape (n_bins,)
        How many samples each bin has.

    Attributes
    ----------
    interval : ndarray of shape (2, n_bins)
        The lower and upper ends of the bands.
    line_, band_, ax_, figure_
        The Matplotlib artists, after :meth:`plot`.
    """

    def __init__(
        self,
        prob_true: np.ndarray,
        prob_pred: np.ndarray,
        y_prob: np.ndarray,
        *,
        counts: np.ndarray,
        estimator_name: str | None = None,
        pos_label: Any = None,
    ) -> None:
        """Keep what :meth:`plot` draws."""
        super().__init__(prob_true, prob_pred, y_prob, estimator_name=estimator_name, pos_label=pos_label)
        self.counts = counts
        self.interval = np.stack(clopper_pearson(prob_true, counts))

    def plot(self, *, ax: Any = None, name: str | None = None, ref_line: bool = True, **kwargs: Any) -> Any:
        """Draw line and band on ``ax``, or on new axes; keyword arguments go to the line. Return self."""
        super().plot(ax=ax, name=name, ref_line=ref_line, **kwargs)
        self.band_ = self.ax_.fill_between(self.prob_pred, *self.interval, color=self.line_.get_color(), alpha=0.2)
        return self

    @classmethod
    def from_estimator(cls, estimator: Any, X: Any, y: Any, *, pos_label: Any = None, name: Any = None, **kwargs: Any):
        """Plot a binary classifier whose ``decision_function`` gives log-odds.

        ``n_bins``, ``strategy``, ``ax``, ``ref_line`` and the line's keyword arguments are those of
        :meth:`from_predictions`.
        """
        y_logit, pos_label, name = cls._validate_and_get_response_values(
            estimator, X, y, response_method="decision_function", pos_label=pos_label, name=name
        )
        return cls.from_predictions(y, y_logit, pos_label=pos_label, name=name, **kwargs)

    @classmethod
    def from_predictions(  # type: ignore[override]  # its third parameter is a probability
        cls,
        y_true: Any,
        y_logit: Any,
        *,
        n_bins: int = 5,
        strategy: str = "uniform",
        pos_label: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        """Plot labels of two classes against the log-odds of ``pos_label``, by default 1.

        ``n_bins`` intervals of probability are of equal width (``strategy="uniform"``) or have equally many samples
        (``"quantile"``). Other keyword arguments are those of :meth:`plot`.
        """
        x = _logits(y_logit)
        if x.shape[1] != 1:
            raise ValueError(f"y_logit must have one logit per sample, got shape {x.shape}. Pass that of pos_label.")
        y_prob = sigmoid_cross_entropy_grad(x[:, 0], False)  # sigmoid(x) - 0
        pos_label, name = cls._validate_from_predictions_params(y_true, y_prob, pos_label=pos_label, name=name)
        prob_true, prob_pred = calibration_curve(y_true, y_prob, pos_label=pos_label, n_bins=n_bins, strategy=strategy)
        edges = np.linspace(0, 1, n_bins + 1)
        if strategy == "quantile":
            edges = np.percentile(y_prob, edges * 100)
        counts = np.bincount(np.searchsorted(edges[1:-1], y_prob))
        display = cls(prob_true, prob_pred, y_prob, counts=counts[counts > 0], estimator_name=name, pos_label=pos_label)
        return display.plot(**kwargs)
