"""Means and their standard errors from exact sums, for all groups at once: of rows, of clusters, of what groups add.

Sums are rounded to double-doubles; a number is rounded once more at its end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from logitloss import _core
from logitloss.evaluate import intervals
from logitloss.evaluate.results import Estimate
from logitloss.evaluate.state.double_double import DoubleDouble
from logitloss.evaluate.state.sums import Sums, places

if TYPE_CHECKING:
    from logitloss.evaluate.state.state import State

Numbers = dict[str, Any]  # an array for each number, an element for each group


class Moments:
    """Means of one column of losses by group, and what their standard errors are made of."""

    def __init__(self, sums: Sums, loss: str = "loss"):
        """`loss` names the column."""
        table, numbers = sums.settled()[1], sums.numbers()
        self.rows = table.rows()
        n = DoubleDouble(self.rows)
        self.weight, self.weight2 = numbers.get("weight", n), numbers.get("weight2", n)
        self.loss, self.loss2 = numbers[loss], numbers[f"{loss}2"]
        self.weight2_loss = numbers.get(f"weight2_{loss}", self.loss)
        self.mean = self.loss / self.weight
        undefined, high, low = table.specials(sums.columns.index(loss))
        none = (undefined > 0) | ((high > 0) & (low > 0)) | (self.weight.high == 0)
        infinite = np.where(high > 0, math.inf, np.where(low > 0, -math.inf, self.mean.high))
        self.mean_loss = np.where(none, math.nan, infinite)
        self.finite = np.isfinite(self.mean_loss)
        self.overflowed = table.specials(sums.columns.index(f"{loss}2"))[1] > 0

    def squares(self, about: DoubleDouble) -> DoubleDouble:
        """The sums of w^2 (l - m)^2; 0 where they are less than the rounding of each square can be."""
        rest = self.loss2 - about * self.weight2_loss * 2.0 + about * about * self.weight2
        known = rest.high > 2.0**-51 * self.loss2.high
        return DoubleDouble(np.where(known, rest.high, 0.0), np.where(known, rest.low, 0.0))

    def errors(self) -> Numbers:
        """Standard errors and degrees of freedom where rows are independent."""
        n = DoubleDouble(self.rows)
        variance = self.squares(self.mean) / self.weight / self.weight * n / (n - 1.0)
        error = np.where(self.rows > 1, np.sqrt(variance.high), math.nan)
        error = np.where(self.overflowed, math.inf, error)
        size = (self.weight * self.weight / self.weight2).high
        error = np.where(self.finite & (size > 0), error, math.nan)
        return {"standard_error": error, "effective_size": size, "dof": np.maximum(size - 1, 0)}


class Clusters:
    """The sums of each cluster about the mean, of all rows and of each group.

    `rest` gives S for each cluster, its sum of w (l - m), and `added` adds such numbers by group.
    """

    def __init__(self, sums: Sums, groups: int, group_of: np.ndarray):
        """`group_of` says which of the groups each cluster's sums are of."""
        self.numbers, self.groups, self.group_of = sums.numbers(), groups, group_of.astype(np.int32)
        self.weight = self.numbers.get("weight", DoubleDouble(sums.settled()[1].rows()))

    def rest(self, column: str, mean: DoubleDouble) -> np.ndarray:
        """The sum of w (l - m) of each cluster; `mean` is that of each group."""
        total = self.numbers[column]
        rest = (total - mean[self.group_of] * self.weight).high
        return np.where(np.abs(rest) > 2.0**-90 * np.abs(total.high), rest, 0.0)  # or rounding alone

    def added(self, *columns: np.ndarray) -> np.ndarray:
        """The sums of columns by group, exact but for a rounding at the end: free of the clusters' order."""
        table = _core.SumTable(len(columns))
        table.resize(self.groups)
        with np.errstate(invalid="ignore"):
            table.add(self.group_of, np.stack(columns, axis=1))
        high = table.rounded()[0]
        for i in range(len(columns)):
            nan, *_ = table.specials(i)
            high[:, i][nan > 0] = math.nan
        return high.T

    def errors(self, column: str, mean: DoubleDouble, weight: np.ndarray) -> Numbers:
        """Standard errors of means over these weights, degrees of freedom, and the correction for few clusters."""
        share = self.weight.high / weight[self.group_of]
        squares, *powers = self.added(self.rest(column, mean) ** 2, *(share**k for k in (2, 3, 4, 5)))
        count = np.bincount(self.group_of, minlength=self.groups)
        size, dof, correction = intervals.few_clusters(count, *powers)
        error = np.where(count > 1, np.sqrt(squares * count / np.maximum(count - 1, 1)) / weight, math.nan)
        found = {"standard_error": error, "clusters": count, "effective_size": size, "dof": dof}
        return found | {"correction": correction}


def clusters_of(state: State, name: str) -> Clusters:
    """The clusters of all rows, or of each group."""
    sums, keys = state.tables["cluster"], len(state.key_types)
    if name != "group":
        _, sums = sums.by(keys)
        return Clusters(sums, 1, np.zeros(len(sums), np.int32))
    groups = state.tables["group"]
    places_ = places(sums.settled()[0][:keys], groups.settled()[0], len(sums), len(groups))
    return Clusters(sums, len(groups), places_)


def contributions_of(
    state: State, mine: Moments, all_: Moments, loss: str, *, about_zero: bool = False
) -> list[Estimate]:
    """What each group adds to the mean of all rows: its weight times its mean less that of all, over all weight.

    With m the mean of all rows, P the group's share of the weight and c what it adds, its error is that of the mean of
    (l - m) ((1 in the group, else 0) - P) - c over all rows, by the formulas of the mean loss: what a row adds to such
    a quotient of sums, to first order. `about_zero` is for differences, which add up to that of all: m and P are 0.
    """
    mean, weight, rows = all_.mean, all_.weight.high[0], float(all_.rows[0])
    share = mine.weight.high / weight
    if about_zero:
        mean, share = DoubleDouble(np.zeros(1)), share * 0
    adds = ((mine.loss - mean * mine.weight) / all_.weight).high
    if "cluster" in state.tables:
        clusters, every = clusters_of(state, "group"), clusters_of(state, "all")
        e_all, b_all = every.rest(loss, mean), every.weight.high
        sums, keys = state.tables["cluster"], len(state.key_types)
        _, by_cluster = sums.by(keys)
        at = places([sums.settled()[0][keys]], by_cluster.settled()[0], len(sums), len(by_cluster))
        e = (clusters.numbers[loss] - mean[np.zeros(len(sums), np.int32)] * clusters.weight).high
        ee, with_e, with_b = clusters.added(e * e, e * e_all[at], e * b_all[at])
        e2, eb, b2 = every.added(e_all * e_all, e_all * b_all, b_all * b_all)[:, 0]
        squares = ee - 2 * (share * with_e + adds * with_b) + share**2 * e2 + 2 * share * adds * eb + adds**2 * b2
        size = float(len(by_cluster))
    else:
        q0, r0 = mine.weight2.high, all_.weight2.high[0]
        q1 = (mine.weight2_loss - mean * mine.weight2).high
        r1 = (all_.weight2_loss - mean * all_.weight2).high[0]
        q2, r2 = mine.squares(mean).high, all_.squares(mean).high[0]
        squares = (1 - share) ** 2 * q2 - 2 * adds * (1 - share) * q1 + adds**2 * q0
        squares = squares + share**2 * (r2 - q2) + 2 * share * adds * (r1 - q1) + adds**2 * (r0 - q0)
        size = rows
    known = all_.finite[0] and size > 1
    errors = np.sqrt(np.maximum(squares, 0) * size / max(1.0, size - 1)) / weight if known else squares * math.nan
    if not all_.finite[0]:
        adds = adds * math.nan
    return [Estimate(*pair) for pair in zip(plain(adds), plain(errors), strict=True)]


def plain(column: np.ndarray) -> list[Any]:
    """As numbers of Python, every nan the same object, so that tuples of them are equal."""
    return [math.nan if one != one else one for one in column.tolist()]
