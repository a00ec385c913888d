"""The definition of loss and gradient in Python's integers: slow, short, and right.

Claim: both results are within 2**-230 of the larger term of their sum, ``x * a`` or ``a`` and the small side
``softplus(-abs(x))`` or ``sigmoid(-abs(x))``, whatever the logit and the label. What cancels there cancels exactly.
Those of a softmax over finite logits are within 2**-230 of themselves, or less than 2**-7000.
Method: a number is a pair ``(n, e)`` that stands for ``n * 2**e``. The logit and the label are such pairs already; only
``exp`` and ``log`` are rounded, in fixed point with 256 digits and as many more as the logit has zeros after its point.

Rejected: ``numpy.longdouble`` and pairs of doubles. Where ``sigmoid(x)`` meets a float64 label, 54 digits cancel and 53
more are wanted; long double has 64, a pair 106, and neither has its 106 for results below 2**-969.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def softmax_losses_and_gradients(x: Sequence[float], labels: Sequence[int]) -> list[tuple[Dyadic, list[Dyadic]]]:
    """Return ``log(sum of exp(x_k)) - x_y`` and ``exp(x_j) / sum of exp(x_k) - (1 if j == y else 0)`` for each label y.

    Computed as ``(m - x_y) + log(T)`` and ``u_j / T`` or ``-(T - u_y) / T``, with ``m`` the largest logit,
    ``u_k = exp(x_k - m)`` and ``T`` their sum. The differences and the sums are exact: no digit is lost in them.
    """
    largest = _dyadic(max(x))
    gaps = [_sum(largest, _negative(_dyadic(v))) for v in x]
    rounded = [_exp_of_minus(min(_fixed(gap), int(_LARGEST) << _DIGITS), _DIGITS) for gap in gaps]
    furthest = max(k for _, k in rounded)
    powers = [u << furthest - k for u, k in rounded]
    total = sum(powers)
    log_total = _log(total, 1 << _DIGITS + furthest)
    probabilities = [_ratio(power, total) for power in powers]
    results = []
    for y in labels:
        gradient = probabilities.copy()
        gradient[y] = _negative(_ratio(total - powers[y], total))
        results.append((_sum(gaps[y], log_total), gradient))
    return results


def _small_sides(size: float) -> tuple[Dyadic, Dyadic]:
    """Return ``log(1 + u)`` and ``u / (1 + u)`` with ``u = exp(-size)``."""
    digits = _DIGITS - 64 * (min(0, math.frexp(size)[1]) // 64)
    numerator, denominator = min(size, _LARGEST).as_integer_ratio()
    u, k = _exp_of_minus(-(-(numerator << digits) // denominator), digits)
    one = 1 << digits
    one_plus_u = one + (u >> k)
    sigmoid = (u << digits) // one_plus_u
    s = (u << digits) // (one + one_plus_u)
    return (_twice_atanh(s, k, digits), -digits - k), (sigmoid, -digits - k)


def _exp_of_minus(size: int, digits: int) -> tuple[int, int]:
    """Return ``(u, k)`` with ``u / 2**k = exp(-size)``, ``size`` and ``u`` in fixed point, ``1 <= u < 2``."""
    k, rest = divmod(-size, _log2(digits))  # -size = rest + k log 2
    return _exp(rest, digits), -k


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


def _log(n: int, one: int) -> Dyadic:
    """Return ``log(n / one)`` for ``n >= one``, a power of 2, with all its digits where it is next to 0."""
    e = n.bit_length() - one.bit_length()
    power = one << e
    over, under = n - power, n + power  # log(n / power) = 2 atanh(over / under)
    k = under.bit_length() - over.bit_length() - 1
    rest = _twice_atanh((over << _DIGITS + k) // under, k, _DIGITS)
    return _sum((rest, -_DIGITS - k), (e * _log2(_DIGITS), -_DIGITS))


@cache
def _log2(digits: int) -> int:
    return _twice_atanh((1 << digits) // 3, 0, digits)


def _dyadic(value: float) -> Dyadic:
    numerator, denominator = value.as_integer_ratio()
    return numerator, 1 - denominator.bit_length()


def _fixed(a: Dyadic) -> int:
    n, e = a
    return n << _DIGITS + e if _DIGITS + e > 0 else n >> -_DIGITS - e


def _ratio(n: int, m: int) -> Dyadic:
    """Return ``n / m`` for ``0 <= n <= m``."""
    shift = _DIGITS + m.bit_length() - n.bit_length()
    return (n << shift) // m, -shift


def _negative(a: Dyadic) -> Dyadic:
    return -a[0], a[1]


def _sum(a: Dyadic, b: Dyadic) -> Dyadic:
    (n, e), (m, f) = a, b
    return ((n << e - f) + m, f) if e > f else (n + (m << f - e), e)
