"""The meter: the distance from a computed value to the true one, in units in the last place.

The unit is that of the format at the *true* value: ``2**(e + 1 - p)`` for a truth from ``2**e`` up to ``2**(e + 1)``
in a format of ``p`` digits, and never less than its smallest subnormal number. A value is correctly rounded if and only
if its error is at most 0.5 (where it is 0.5, a tie, to an even last digit).

=====================  ==================  ===============================================================
truth                  computed            error
=====================  ==================  ===============================================================
not 0                  0                   ``abs(truth) / unit``: from ``2**(p - 1)`` to ``2**p`` where the
                                           truth is normal; every digit is lost
0                      not 0               in smallest subnormal numbers
rounds to an infinity  the same infinity   0
rounds to an infinity  anything else       inf
finite                 inf or -inf         inf
nan                    nan                 0
nan                    a number            inf
a number               nan                 inf
=====================  ==================  ===============================================================

Errors from ``2**1024`` units on are inf as well. The sign of a zero does not count.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from logitloss.accuracy.definition import Dyadic, loss_and_gradient, softmax_losses_and_gradients


class Format(NamedTuple):
    """A binary floating-point format."""

    digits: int
    """Of a normal number."""
    least: int
    """The smallest subnormal number is ``2**least``."""
    most: int
    """Finite numbers are below ``2**most``."""


FORMATS = {
    "float16": Format(11, -24, 16),
    "bfloat16": Format(8, -133, 128),
    "float32": Format(24, -149, 128),
    "float64": Format(53, -1074, 1024),
}


class Truth(NamedTuple):
    """True values ``(whole + fraction) * 2**unit``, where ``2**unit`` is the unit in the last place."""

    whole: np.ndarray
    """float64 integers, or an infinity, or nan."""
    fraction: np.ndarray
    """float64 in [0, 1]."""
    unit: np.ndarray
    """int32."""

    def value(self) -> np.ndarray:
        """Return the true values as float64."""
        return np.ldexp(self.whole + self.fraction, self.unit)


def truths(logits: np.ndarray, labels: np.ndarray) -> tuple[Truth, Truth]:
    """Return the true losses and the true gradients of two equally long arrays, in the format of the logits.

    At infinite logits they are the limits, with 0 * inf = 0. Labels must be finite or nan.
    Takes about ten microseconds an element.
    """
    form = FORMATS[logits.dtype.name]
    losses, gradients = [], []
    for x, z in zip(logits.astype(np.float64).tolist(), labels.astype(np.float64).tolist(), strict=True):
        loss, gradient = loss_and_gradient(x, z) if math.isfinite(x) and z == z else _limits(x, z)
        losses.append(_in_units(loss, form))
        gradients.append(_in_units(gradient, form))
    return _truth(losses), _truth(gradients)


def softmax_truths(logits: np.ndarray, labels: np.ndarray) -> tuple[Truth, Truth]:
    """Return the true losses and the true gradients of rows of finite logits, in the format of the logits.

    ``labels`` are class indices of shape ``(rows, n)``: each row has n of them, and so n losses and n gradients. The
    results have the shapes ``(rows, n)`` and ``(rows, n, classes)``.
    """
    form = FORMATS[logits.dtype.name]
    losses, gradients = [], []
    for row, own in zip(logits.astype(np.float64).tolist(), labels.tolist(), strict=True):
        for loss, gradient in softmax_losses_and_gradients(row, own):
            losses.append(_in_units(loss, form))
            gradients.extend(_in_units(slope, form) for slope in gradient)
    loss, gradient = _truth(losses), _truth(gradients)
    shape = *labels.shape, logits.shape[1]
    return Truth(*(v.reshape(labels.shape) for v in loss)), Truth(*(v.reshape(shape) for v in gradient))


def ulp_errors(values: np.ndarray, truth: Truth) -> np.ndarray:
    """Return the errors of values in units in the last place, as float64, themselves within 2**-52 of their size."""
    computed = values.astype(np.float64)
    with np.errstate(all="ignore"):
        # Near the truth the first difference is exact; far from it nobody asks for more digits.
        error = np.abs((np.ldexp(computed, -truth.unit) - truth.whole) - truth.fraction)
    same = (computed == truth.whole) & np.isinf(computed) | np.isnan(computed) & np.isnan(truth.whole)
    return np.where(same, 0.0, np.where(np.isnan(error), np.inf, error))


def _limits(x: float, z: float) -> tuple[Dyadic | float, Dyadic | float]:
    """Return loss and gradient where an argument is not finite."""
    if math.isnan(x) or math.isnan(z):
        return math.nan, math.nan
    n, d = z.as_integer_ratio()
    a = d - n if x > 0 else -n
    loss = math.inf if (a > 0) == (x > 0) else -math.inf
    return (loss if a else (0, 0)), (a, 1 - d.bit_length())


def _in_units(value: Dyadic | float, form: Format) -> tuple[float, float, int]:
    if not isinstance(value, tuple):
        return value, 0.0, 0
    n, e = value
    top = n.bit_length() + e
    unit = max(top - form.digits, form.least)
    if unit <= e:
        whole, fraction = n << e - unit, 0.0
    else:
        whole = n >> unit - e
        fraction = (n - (whole << unit - e)) / (1 << unit - e)
    if top > form.most or (top == form.most and abs(whole + fraction) >= 2.0**form.digits - 0.5):
        return (math.inf if n > 0 else -math.inf), 0.0, 0
    return float(whole), fraction, unit


def _truth(numbers: list[tuple[float, float, int]]) -> Truth:
    whole, fraction, unit = zip(*numbers, strict=True) if numbers else ((), (), ())
    return Truth(np.array(whole, np.float64), np.array(fraction, np.float64), np.array(unit, np.int32))
