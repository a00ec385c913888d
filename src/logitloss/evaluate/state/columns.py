"""What is added for each row: products, each of them rounded by itself.

With w the weight, z the label, l the loss, p the predicted probability and r = p - z the residual.
"""

from __future__ import annotations

import numpy as np

from logitloss import ufuncs

BINARY = ("loss", "loss2", "label", "residual", "brier", "variance")  # w l, (w l)^2, w z, w r, w r^2, w^2 p (1 - p)
CLASSES = BINARY[:2]
WEIGHTS = ("weight", "weight2", "weight2_loss")  # w, w^2, w^2 l; without weights these are known

Columns = dict[str, np.ndarray]


def columns_of(labels: np.ndarray, logits: np.ndarray, weights: np.ndarray | None) -> Columns:
    """Those of some rows with one logit each, by name."""
    loss, residual = ufuncs.sigmoid_cross_entropy_value_and_grad(logits, labels)
    residual, z = residual.astype(np.float64), labels.astype(np.float64)
    w = 1.0 if weights is None else weights.astype(np.float64)
    p = np.where(z == 1, -residual, z + residual)  # or 1 - p, without a loss of digits
    columns = loss_columns(loss, weights)
    more = {"label": w * z, "residual": w * residual, "brier": w * (residual * residual)}
    more["variance"] = w * w * (p * (1 - p))
    return columns | more


def losses_of(labels: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """The loss of each row; labels are classes where logits are lists."""
    if logits.ndim == 2:
        return ufuncs.sparse_softmax_cross_entropy(logits, labels.astype(np.int64))
    return ufuncs.sigmoid_cross_entropy(logits, labels)


@np.errstate(all="ignore")  # what overflows is counted
def loss_columns(loss: np.ndarray, weights: np.ndarray | None) -> Columns:
    """Those of the losses alone."""
    loss = loss.astype(np.float64)
    if weights is None:
        return {"loss": loss, "loss2": loss * loss}
    weights = weights.astype(np.float64)
    loss = np.where(weights > 0, weights * loss, 0)  # nothing, even where it is infinite
    squares = {"weight": weights, "weight2": weights * weights, "weight2_loss": weights * loss}
    return {"loss": loss, "loss2": loss * loss, **squares}
