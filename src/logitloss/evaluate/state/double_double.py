"""Arrays of double-double numbers: unevaluated sums of two float64, with some 106 bits (Dekker 1971, Knuth).

Exact sums are rounded to these, and once more at the end of a formula: where terms cancel, what is left has digits.
"""

from __future__ import annotations

from typing import Any

import numpy as np

_SPLIT = 134217729.0  # 2^27 + 1


class DoubleDouble:
    """An array of them: `high` is the number rounded to float64, `low` what that leaves."""

    __slots__ = ("high", "low")

    def __init__(self, high: Any, low: Any = 0.0):
        """Of two arrays, the second one at most half a unit in the last place of the first."""
        self.high, self.low = np.asarray(high, np.float64), np.asarray(low, np.float64)

    def __getitem__(self, index: Any) -> DoubleDouble:
        low = self.low[index] if self.low.ndim else self.low
        return DoubleDouble(self.high[index], low)

    def __add__(self, other: Any) -> DoubleDouble:
        other = _as(other)
        high, error = _two_sum(self.high, other.high)
        low, low_error = _two_sum(self.low, other.low)
        high, error = _fast_two_sum(high, error + low)
        return DoubleDouble(*_fast_two_sum(high, error + low_error))

    def __neg__(self) -> DoubleDouble:
        return DoubleDouble(-self.high, -self.low)

    def __sub__(self, other: Any) -> DoubleDouble:
        return self + -_as(other)

    def __mul__(self, other: Any) -> DoubleDouble:
        other = _as(other)
        high, error = _two_product(self.high, other.high)
        return DoubleDouble(*_fast_two_sum(high, error + (self.high * other.low + self.low * other.high)))

    def __truediv__(self, other: Any) -> DoubleDouble:
        other = _as(other)
        first = self.high / other.high
        rest = self - other * first
        second = rest.high / other.high
        third = (rest - other * second).high / other.high
        return DoubleDouble(*_fast_two_sum(first, second)) + third


def _as(value: Any) -> DoubleDouble:
    return value if isinstance(value, DoubleDouble) else DoubleDouble(value)


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    total = a + b
    seen = total - a
    return total, (a - (total - seen)) + (b - seen)


def _fast_two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """Where |a| >= |b|."""
    total = a + b
    return total, b - (total - a)


def _halves(a: Any) -> tuple[Any, Any]:
    scaled = _SPLIT * a
    high = scaled - (scaled - a)
    return high, a - high


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    product = a * b
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
