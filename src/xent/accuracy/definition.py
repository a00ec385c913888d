"""The definition of loss and gradient in Python's integers: slow, short, and right.

Claim: both results are within 2**-230 of the larger term of their sum, ``x * a`` or ``a`` and the small side
``softplus(-abs(x))`` or ``sigmoid(-abs(x))``, whatever the logit and the label. What cancels there cancels exactly.
Method: a number is a pair ``(n, e)`` that stands for ``n * 2**e``. The logit and the label are such pairs already; only
``exp`` and ``log`` are rounded, in fixed point with 256 digits and as many more as the logit has zeros after its point.

Rejected: ``numpy.longdouble`` and pairs of doubles. Where ``sigmoid(x)`` meets a float64 label, 54 digits cancel and 53
more are wanted; long double has 64, a pair 106, and neither has its 106 for results below 2**-969.
"""

from __future__ import annotations

import math
from functools import cache

Dyadic = tuple[int, int]

_DIGITS = 256
_HALVINGS = 12  # of the argument of exp: each is undone by a squaring and costs a digit
_LARGEST = 5000.0  # exp(-5000) is as far below the unit of every format as anything smaller


def loss_and_gradient(x: float, z: float) -> tuple[Dyadic, Dyadic]:
    """Return ``z softplus(-x) + (1 - z) softplus(x)`` and ``sigmoid(x) - z`` for finite numbers.

    Computed as ``x * a + softplus(-abs(x))`` and ``a -+ sigmoid(-abs(x))``, ``a = 1 - z`` where ``x > 0``, else ``-z``.
    """
    softplus, sigmoid = _small_sides(abs(x))
    logit, label = _dyadic(x), _dyadic(z)
    a = _sum((1, 0), _negative(label)) if x > 0 else _negative(label)
    loss = _sum((logit[0] * a[0], logit[1] + a[1]), softplus)
    return loss, _sum(a, _negative(sigmoid) if x > 0 else sigmoid)


def _small_sides(size: float) -> tuple[Dyadic, Dyadic]:
    """Return ``log(1 + u)`` and ``u / (1 + u)`` with ``u = exp(-size)``."""
    digits = _DIGITS - 64 * (min(0, math.frexp(size)[1]) // 64)
    numerator, denominator = min(size, _LARGEST).as_integer_ratio()
    # -size = rest - k log 2, so u = exp(rest) / 2**k.
    k, rest = divmod(-(numerator << digits) // denominator, _log2(digits))
    k = -k
    u = _exp(rest, digits)
    one = 1 << digits
    one_plus_u = one + (u >> k)
    sigmoid = (u << digits) // one_plus_u
    s = (u << digits) // (one + one_plus_u)
    return (_twice_atanh(s, k, digits), -digits - k), (sigmoid, -digits - k)


def _exp(r: int, digits: int) -> int:
    """Return ``exp(r)`` in fixed point for ``0 <= r < 1``, by its Taylor series."""
    r >>= _HALVINGS
    total = term = 1 << digits
    n = 0
    while term:
        n += 1
        term = (term * r >> digits) // n
        total += term
    for _ in range(_HALVINGS):
        total = total * total >> digits
    return total


def _twice_atanh(s: int, k: int, digits: int) -> int:
    """Return ``2 atanh(s / 2**k) * 2**k = 2 s (1 + y/3 + y**2/5 + ...)``, ``y = (s / 2**k)**2 <= 1/9``."""
    y = (s >> k) ** 2 >> digits
    total = power = 1 << digits
    n = 1
    while power:
        power = power * y >> digits
        n += 2
        total += power // n
    return 2 * s * total >> digits


@cache
def _log2(digits: int) -> int:
    return _twice_atanh((1 << digits) // 3, 0, digits)


def _dyadic(value: float) -> Dyadic:
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def _negative(a: Dyadic) -> Dyadic:
    return -a[0], a[1]


def _sum(a: Dyadic, b: Dyadic) -> Dyadic:
    (n, e), (m, f) = a, b
    return ((n << e - f) + m, f) if e > f else (n + (m << f - e), e)
