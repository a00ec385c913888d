"""The losses and their derivatives in array operations, for traced arrays and those on other devices.

What the kernels in ``cpp/math`` are for memory, these are for frameworks that compile or differentiate operations.
Nothing here cancels but what the definition cancels, so the error is that of the framework's exp, log1p and division.
With those of NumPy and of XLA on the processor, in float32 and float64, for labels in [0, 1] and weights that are not
negative, in ulp:

    loss 4, gradient 4, hessian 5, hessian_slope 6, softplus 4
    softmax_loss 4, softmax_gradient 4, softmax_losses 4, softmax 4

A gradient of soft labels is held against the larger of its two terms, since they may cancel. A result with a weight
loses digits below the smallest normal number times the weight or the logit.

``xp`` has the array API's ``abs, exp, log1p, tanh, where, zeros_like, sum, max, argmax, arange``; ``x`` are logits and
``z`` labels of one floating dtype and one shape, the classes of a softmax on the last axis. 0 * inf is 0 throughout, by
selection. Every derivative is a formula of its own: automatic differentiation of the loss is wrong at 0, where abs and
the selection have corners that cancel, and nan at infinity.
"""

from __future__ import annotations

from typing import Any


def _times(xp: Any, a: Any, b: Any) -> Any:
    """The product a * b, 0 where a is, also for an infinite b. Elsewhere its derivative with respect to a is b."""
    return a * xp.where((a == 0) & (xp.abs(b) == float("inf")), xp.zeros_like(b), b)


# --- sigmoid: e = exp(-|x|), s = e / (1 + e) the smaller of the two probabilities ------------------------------------


def _parts(x: Any, z: Any, weight: Any) -> tuple[Any, Any, Any]:
    """The slopes left and right of 0 without their tail, and the weight of the tail; the positive part has a weight."""
    return (-z, 1 - z, 1) if weight is None else (-weight * z, 1 - z, (1 - z) + weight * z)


def loss(xp: Any, x: Any, z: Any, weight: Any = None) -> Any:
    """The loss: a x + m log1p(e), with a = 1 - z where x > 0, else -w z, and m = 1 - z + w z."""
    left, right, tail = _parts(x, z, weight)
    return _times(xp, xp.where(x > 0, right, left), x) + tail * xp.log1p(xp.exp(-xp.abs(x)))


def gradient(xp: Any, x: Any, z: Any, weight: Any = None) -> Any:
    """The derivative with respect to x: a - m s where x > 0, else a + m s."""
    left, right, tail = _parts(x, z, weight)
    e = xp.exp(-xp.abs(x))
    s = tail * (e / (1 + e))
    return xp.where(x > 0, right - s, left + s)


def hessian(xp: Any, x: Any, z: Any = None, weight: Any = None) -> Any:
    """The second derivative with respect to x: m e / (1 + e)^2; without a weight no label counts."""
    e = xp.exp(-xp.abs(x))
    h = e / ((1 + e) * (1 + e))
    return h if weight is None else ((1 - z) + weight * z) * h


def hessian_slope(xp: Any, x: Any, h: Any) -> Any:
    """The derivative of the hessian h with respect to x: every further one follows from h and tanh."""
    return -h * xp.tanh(x / 2)


def softplus(xp: Any, x: Any) -> Any:
    """log(1 + exp(x)): the loss of the label 0, that of the label 1 at -x, so the derivatives by label and weight."""
    return xp.where(x > 0, x, xp.zeros_like(x)) + xp.log1p(xp.exp(-xp.abs(x)))


# --- softmax: d = x - max(x), e = exp(d), R the sum of e over all classes but the leader -----------------------------


def one_hot(xp: Any, y: Any, like: Any) -> Any:
    """The distributions of class indices y, of the shape of ``like``; nan where the index is no class."""
    classes, index = xp.arange(like.shape[-1]), y[..., None]
    known = (index >= 0) & (index <= classes[-1])  # of the array: traced, the shape may not tell the number of classes
    inside = xp.where(known, xp.zeros_like(like), xp.zeros_like(like) * float("nan"))
    return xp.where(index == classes, inside + 1, inside)


def leaders(xp: Any, x: Any) -> Any:
    """Where the largest logit of each row stands, the first if there are several."""
    return xp.arange(x.shape[-1]) == xp.argmax(x, axis=-1, keepdims=True)


def _distances(xp: Any, x: Any, leader: Any) -> tuple[Any, Any, Any]:
    """The d and e of each class, e without the leader's 1, and R. A second +inf and a row of -inf make nan."""
    m = xp.max(x, axis=-1, keepdims=True)
    d = xp.where(leader & (x > -float("inf")), xp.zeros_like(x), x - m)
    # What the subtraction rounded away: |d| times the error of one rounding would be the relative error of exp(d).
    moved = d - x
    low = xp.where(d > -float("inf"), (x - (d - moved)) - (m + moved), xp.zeros_like(x))
    e = xp.exp(d)
    e = xp.where(leader, xp.zeros_like(x), e + e * low)
    return d, e, xp.sum(e, axis=-1, keepdims=True)


def softmax_loss(xp: Any, x: Any, z: Any) -> Any:
    """The loss of each row: sum z (-d) + (sum z) log1p(R)."""
    d, _, rest = _distances(xp, x, leaders(xp, x))
    return xp.sum(_times(xp, z, -d), axis=-1) + xp.sum(z, axis=-1) * xp.log1p(rest)[..., 0]


def softmax_losses(xp: Any, x: Any) -> Any:
    """The derivative with respect to the labels, -log softmax(x): log1p(R) - d."""
    d, _, rest = _distances(xp, x, leaders(xp, x))
    return xp.log1p(rest) - d


def softmax_gradient(xp: Any, x: Any, z: Any) -> Any:
    """The derivative with respect to x: Z softmax(x) - z; for a class that outweighs the rest, what the rest has."""
    leader = leaders(xp, x)
    _, e, rest = _distances(xp, x, leader)
    total = xp.sum(z, axis=-1, keepdims=True)
    others = xp.sum(xp.where(leader, xp.zeros_like(z), z), axis=-1, keepdims=True)
    e = xp.where(leader, xp.zeros_like(x) + 1, e)
    return xp.where(leader & (rest < 1), others - total * (rest / (1 + rest)), total * (e / (1 + rest)) - z)


def softmax(xp: Any, x: Any) -> Any:
    """The probabilities."""
    leader = leaders(xp, x)
    _, e, rest = _distances(xp, x, leader)
    return xp.where(leader, xp.zeros_like(x) + 1, e) / (1 + rest)


def softmax_losses_tangent(xp: Any, p: Any, v: Any) -> Any:
    """The derivative of the losses along v, sum p v - v, each class against the leader of its row."""
    leader = leaders(xp, p)
    v = v - xp.sum(xp.where(leader, v, xp.zeros_like(v)), axis=-1, keepdims=True)
    return xp.sum(p * v, axis=-1, keepdims=True) - v


def softmax_tangent(xp: Any, p: Any, v: Any) -> Any:
    """The derivative of the probabilities p along v, p (v - sum p v)."""
    return -p * softmax_losses_tangent(xp, p, v)
