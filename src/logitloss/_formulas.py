"""The losses and their derivatives in array operations, for traced arrays and those on other devices.

What the kernels in ``cpp/math`` are for memory, these are for frameworks that compile or differentiate operations.
Nothing here cancels but what the definition cancels, so the error is that of the framework's exp, log1p and division.
With those of NumPy and of XLA on the processor, in float32 and float64, for labels in [0, 1] and weights that are not
negative, in ulp:

    loss 4, gradient 4, hessian 5, hessian_slope 6, softplus 4
    softmax_loss 4, softmax_gradient 4, softmax_losses 4, softmax 4
    sparse_softmax_loss 4, sparse_softmax_gradient 4

A gradient of soft labels is held against the larger of its two terms, since they may cancel. A result with a weight
loses digits below the smallest normal number times the weight or the logit.

``xp`` has the array API's ``abs, exp, log1p, tanh, where, zeros_like, sum, max, arange``; ``x`` are logits and
``z`` labels of one floating dtype and one shape, the classes of a softmax on the last axis. 0 * inf is 0 throughout, by
selection. Every derivative is a formula of its own: automatic differentiation of the loss is wrong at 0, where abs and
the selection have corners that cancel, and nan at infinity.
"""

from __future__ import annotations

from typing import Any


def _times(xp: Any, a: Any, b: Any) -> Any:
    """The product a * b, 0 where a is, also for an infinite b. Elsewhere its derivative with respect to a is b."""
    return a * xp.where((a == 0) & (xp.abs(b) == float("inf")), xp.zeros_like(b), b)


# --- sigmoid_cross_entropy: e = exp(-|x|), s = e / (1 + e) the smaller of the two probabilities --------------------


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


# --- softmax_cross_entropy: d = x - max(x), e = exp(d), R the sum of e without the 1 of one class of the largest logit


def softmax_parts(xp: Any, x: Any, first: Any = None) -> tuple[Any, Any, Any, Any]:
    """What the formulas of a row have in common: d and e of each class, R, and which classes have the maximum.

    R is the sum over the others, so that none of its digits are lost where one class leads alone. A row of two infinite
    logits or without classes makes nan. Where these operations are themselves differentiated, ``first`` is the largest
    logit and which class has it, one class alone: the others of a tie keep their derivatives.
    """
    infinity, zero, one = float("inf"), xp.zeros_like(x), xp.zeros_like(x) + 1
    m = xp.max(x, axis=-1, keepdims=True) if first is None else first[0]
    d = x - m
    leads = (d >= 0) | (x == infinity) if first is None else first[1]  # infinity less infinity is nan
    d = xp.where(leads, zero, d)
    # What the subtraction rounded away: |d| times the error of one rounding would be the relative error of exp(d).
    moved = d - x
    low = xp.where(d > -infinity, (x - (d - moved)) - (m + moved), zero)
    e = xp.exp(d)
    e = xp.where(leads, one, e + e * low)
    ties = xp.sum(xp.where(leads, one, zero), axis=-1, keepdims=True) - 1
    rest = xp.sum(xp.where(leads, zero, e), axis=-1, keepdims=True) + ties
    return d, e, xp.where((m == infinity) & (ties > 0), xp.zeros_like(rest) * float("nan"), rest), leads


def softmax_loss(xp: Any, x: Any, z: Any, parts: Any = None) -> Any:
    """The loss of each row: sum z (-d) + (sum z) log1p(R)."""
    d, _, rest, _ = parts or softmax_parts(xp, x)
    return xp.sum(_times(xp, z, -d), axis=-1) + xp.sum(z, axis=-1) * xp.log1p(rest)[..., 0]


def softmax_losses(xp: Any, x: Any, parts: Any = None) -> Any:
    """The derivative with respect to the labels, -log softmax(x): log1p(R) - d."""
    d, _, rest, _ = parts or softmax_parts(xp, x)
    return xp.log1p(rest) - d


def softmax_gradient(xp: Any, x: Any, z: Any, parts: Any = None) -> Any:
    """The derivative with respect to x: Z softmax(x) - z; for a class that outweighs the rest, what the rest has."""
    _, e, rest, leads = parts or softmax_parts(xp, x)
    total = xp.sum(z, axis=-1, keepdims=True)
    others = xp.sum(xp.where(leads, xp.zeros_like(z), z), axis=-1, keepdims=True)
    return xp.where(leads & (rest < 1), others - total * (rest / (1 + rest)), total * (e / (1 + rest)) - z)


def _hot(xp: Any, y: Any, like: Any) -> tuple[Any, Any]:
    """Which class of each row its index y is, and whether it is any; ``like`` has the classes last."""
    classes, index = xp.arange(like.shape[-1]), y[..., None]
    return index == classes, (index >= 0) & (index <= classes[-1])  # traced, the shape may not tell their number


def one_hot(xp: Any, y: Any, like: Any) -> Any:
    """The distributions of class indices y, of the shape of ``like``; nan where the index is not a class."""
    (hot, known), zero = _hot(xp, y, like), xp.zeros_like(like)
    return xp.where(hot, zero + 1, xp.where(known, zero, zero * float("nan")))


def sparse_softmax_loss(xp: Any, x: Any, y: Any, parts: Any = None) -> Any:
    """The loss of each row for class indices y: -d of the class + log1p(R)."""
    (d, _, rest, _), (hot, known) = parts or softmax_parts(xp, x), _hot(xp, y, x)
    own = xp.sum(xp.where(hot, d, xp.zeros_like(d)), axis=-1, keepdims=True)
    return (xp.log1p(xp.where(known, rest, xp.zeros_like(rest) * float("nan"))) - own)[..., 0]


def sparse_softmax_gradient(xp: Any, x: Any, y: Any, parts: Any = None) -> Any:
    """The derivative with respect to x for class indices y: softmax(x), less 1 for the class."""
    (_, e, rest, leads), (hot, known) = parts or softmax_parts(xp, x), _hot(xp, y, x)
    p = e / (1 + xp.where(known, rest, xp.zeros_like(rest) * float("nan")))
    return xp.where(hot, xp.where(leads & (rest < 1), -(rest / (1 + rest)), p - 1), p)


def softmax(xp: Any, x: Any, parts: Any = None) -> Any:
    """The probabilities."""
    _, e, rest, _ = parts or softmax_parts(xp, x)
    return e / (1 + rest)


def softmax_losses_tangent(xp: Any, p: Any, v: Any) -> Any:
    """The derivative of the losses along v, sum p v - v, each class against those of the largest probability."""
    largest, zero = p == xp.max(p, axis=-1, keepdims=True), xp.zeros_like(p)
    count = xp.sum(xp.where(largest, zero + 1, zero), axis=-1, keepdims=True)
    v = v - xp.sum(xp.where(largest, v, zero), axis=-1, keepdims=True) / count
    return xp.sum(p * v, axis=-1, keepdims=True) - v


def softmax_tangent(xp: Any, p: Any, v: Any) -> Any:
    """The derivative of the probabilities p along v, p (v - sum p v)."""
    return -p * softmax_losses_tangent(xp, p, v)
