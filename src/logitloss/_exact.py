"""ExactSum, an exact total that can be merged, and weighted means of losses by it."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from . import _checks, _chunks, _core

_UNIT = 1074  # the total is an integer in units of 2 ** -1074, the smallest positive float64
_COUNTS = 4  # count, nan, +inf, -inf stand behind the limbs


class ExactSum:
    """An exact, mergeable sum of floating-point numbers.

    The total is kept as an integer in units of ``2**-1074``, so nothing is rounded before :meth:`compute` or
    :meth:`mean`, and these round once. The result is that of :func:`math.fsum`, whatever the order of the values and
    however they were split, over arrays, threads or machines.

    Parameters
    ----------
    values : array_like, optional
        Numbers to start with, as for :meth:`update`.

    Attributes
    ----------
    count : int
        How many values were added, those without a number included.
    nan_count, posinf_count, neginf_count : int
        How many of them were nan, +inf and -inf.

    Notes
    -----
    Special values: any nan, or infinities of both signs, make the total nan; infinities of one sign make it that
    infinity (where ``math.fsum`` raises). A total beyond the largest float64 is an infinity of its sign, the empty
    total is 0.0 and the empty mean nan.

    Examples
    --------
    >>> import logitloss
    >>> total = logitloss.ExactSum([1e100, 1.0]) + logitloss.ExactSum([-1e100, 0.5])
    >>> total.compute(), total.mean(), total.count
    (1.5, 0.375, 4)
    """

    __slots__ = ("_total", "count", "nan_count", "neginf_count", "posinf_count")
    _total: int
    count: int
    nan_count: int
    posinf_count: int
    neginf_count: int

    def __init__(self, values: Any = None) -> None:
        """Start from nothing, or from ``values``."""
        self.reset()
        if values is not None:
            self.update(values)

    def reset(self) -> ExactSum:
        """Forget every value, and return self."""
        self._total = self.count = self.nan_count = self.posinf_count = self.neginf_count = 0
        return self

    def update(self, values: Any) -> ExactSum:
        """Add every element of ``values``, and return self.

        Parameters
        ----------
        values : array_like
            Of any shape; float16, bfloat16, float32, float64, any integer or bool. Integers count as the float64 next
            to them, as in ``math.fsum``.

        Raises
        ------
        TypeError
            For any other dtype. Nothing is added.
        """
        sums = [(part.size, _core.exact_sum(part)) for (part,), _ in _chunks.chunks([_checks.summable(values)])]
        for size, state in sums:  # all or none: an interrupted call has added nothing
            self._add(size, state)
        return self

    def merge(self, other: ExactSum) -> ExactSum:
        """Add all that ``other`` holds, and return self."""
        if not isinstance(other, ExactSum):
            raise _checks.not_an_exact_sum(other)
        self._total += other._total
        self.count += other.count
        self.nan_count += other.nan_count
        self.posinf_count += other.posinf_count
        self.neginf_count += other.neginf_count
        return self

    def compute(self) -> float:
        """Return the total, rounded once to the nearest float64."""
        return self._rounded(1)

    def mean(self) -> float:
        """Return the total divided by ``count``, rounded once to the nearest float64."""
        return self._rounded(self.count)

    def to_limbs(self) -> np.ndarray:
        """Return the state as int64 columns that may be added.

        Returns
        -------
        ndarray of int64, shape (72,)
            68 limbs of 32 payload bits, the lowest first and the last one signed, then count, nan_count, posinf_count
            and neginf_count. The sum of up to ``2**31`` such arrays is again a state, for :meth:`from_limbs`.
        """
        words = np.frombuffer(self._total.to_bytes(4 * _core.limbs, "little", signed=True), "<u4")
        limbs = words.astype(np.int64)
        limbs[-1] = words[-1:].astype(np.int32)[0]
        counts = [self.count, self.nan_count, self.posinf_count, self.neginf_count]
        return np.concatenate([limbs, np.array(counts, np.int64)])

    @classmethod
    def from_limbs(cls, limbs: Any) -> ExactSum:
        """Return the ExactSum of a state, or of a sum of states, from :meth:`to_limbs`."""
        numbers = [int(limb) for limb in _checks.limbs(limbs, _core.limbs + _COUNTS)]
        sum_ = cls()
        sum_._total = sum(limb << (32 * i) for i, limb in enumerate(numbers[: _core.limbs]))
        sum_.count, sum_.nan_count, sum_.posinf_count, sum_.neginf_count = numbers[_core.limbs :]
        return sum_

    def _add(self, count: int, state: tuple[bytes, int, int, int]) -> None:
        """Add what the core summed: little-endian bytes of the total, and the counts of what has no number."""
        total, nan, posinf, neginf = state
        self._total += int.from_bytes(total, "little", signed=True)
        self.count += count
        self.nan_count += nan
        self.posinf_count += posinf
        self.neginf_count += neginf

    def _rounded(self, divisor: int) -> float:
        if divisor == 0 or self.nan_count or (self.posinf_count and self.neginf_count):
            return float("nan")
        if self.posinf_count or self.neginf_count:
            return float("inf") if self.posinf_count else float("-inf")
        try:
            return self._total / (divisor << _UNIT)  # Python's division of integers is correctly rounded
        except OverflowError:
            return float("inf") if self._total > 0 else float("-inf")

    def _state(self) -> tuple[int, ...]:
        return (self._total, self.count, self.nan_count, self.posinf_count, self.neginf_count)

    def __add__(self, other: object) -> ExactSum:
        if not isinstance(other, ExactSum):
            return NotImplemented
        return ExactSum().merge(self).merge(other)

    def __radd__(self, other: object) -> ExactSum:
        """Let ``sum()`` start from its 0."""
        return self + ExactSum() if isinstance(other, int) and other == 0 else NotImplemented

    def __eq__(self, other: object) -> bool:
        return self._state() == other._state() if isinstance(other, ExactSum) else NotImplemented

    __hash__: ClassVar[None] = None  # type: ignore[assignment]  # mutable

    def __getstate__(self) -> tuple[int, ...]:
        return self._state()

    def __setstate__(self, state: tuple[int, ...]) -> None:
        self._total, self.count, self.nan_count, self.posinf_count, self.neginf_count = state

    def __repr__(self) -> str:
        return f"ExactSum(total={self.compute()!r}, count={self.count})"


def weighted_sums(losses: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Return the sum of the weighted losses and that of the weights.

    A weight of 0 leaves its loss out by selection: times an infinite loss it would make nan.
    """
    counted = weights != 0
    weights = weights[counted]
    return ExactSum(losses[counted] * weights).compute(), ExactSum(weights).compute()


def weighted_mean(losses: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Return the sum of the weighted losses over the sum of the weights; nan where that is 0."""
    if weights is None:
        return ExactSum(losses).mean()
    total, weight = weighted_sums(losses, weights)
    return total / weight if weight else float("nan")
