"""From exact sums to a report: every formula of means, errors, clusters and contributions, for all groups at once.

Sums are rounded to double-doubles; a number is rounded once more at its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from logitloss import _core
from logitloss.evaluate import intervals
from logitloss.evaluate.input.keys import decode
from logitloss.evaluate.results import (
    Bins,
    Confusion,
    Difference,
    Estimate,
    FineBins,
    Group,
    GroupDifference,
    Key,
    Lazy,
    Losses,
    Report,
    Score,
    binary_entropy,
)
from logitloss.evaluate.state.columns import BINARY
from logitloss.evaluate.state.count import GROUP_BINS
from logitloss.evaluate.state.double_double import DoubleDouble
from logitloss.evaluate.state.state import BIN, PAIRS
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


def report(state: State, sources: tuple[str, ...] = (), logits: str = "", labels: str = "", **names: Any) -> Report:
    """The scores of a state, and what names them."""
    by = names.get("by", ())
    with np.errstate(all="ignore"):
        overall = _scores(state, "all")
        confusions = _confusions(state, "all")
    made = {"groups": (), **names}
    if "group" in state.tables:
        made["groups"] = Lazy(len(state.tables["group"]), lambda: _groups(state, overall))
    return Report(
        overall=_listed(Score, overall)[0],
        by=by,
        bins=_bins(state, overall),
        losses=_losses(state),
        sources=sources,
        logits=logits,
        labels=labels,
        fine_bins=_fine_bins(state),
        confusions=confusions[0] if confusions else (),
        skipped=state.reasons(),
        **{name: state.counts[name] for name in ("zeros", "ones", "between")},
        **{name: value for name, value in made.items() if name != "by"},
    )


def _scores(state: State, name: str) -> Numbers:
    """The numbers of a score for all rows, or for each group."""
    lists = state.kind["rows"] == "lists"
    sums = state.tables.get(name) or _of_no_rows()
    moments, numbers = Moments(sums), sums.numbers()
    groups = len(moments.rows)
    scores: Numbers = {"rows": moments.rows, "weight": moments.weight.high, "mean_loss": moments.mean_loss}
    nothing = np.full(groups, math.nan)
    scores |= {"clusters": None, "correction": np.ones(groups)} | moments.errors()
    if lists:
        scores |= dict.fromkeys(
            ("mean_label", "mean_probability", "brier_score", "calibration_standard_error"), nothing
        )
        scores["base_loss"] = _entropies(state, name, groups)
    else:
        weight, label, residual = moments.weight, numbers["label"], numbers["residual"]
        scores["mean_label"], scores["mean_probability"] = (label / weight).high, ((label + residual) / weight).high
        scores["brier_score"] = (numbers["brier"] / weight).high
        scores["calibration_standard_error"] = np.sqrt(numbers["variance"].high) / weight.high
        scores["independent"] = scores["calibration_standard_error"]
        scores["base_loss"] = np.array([binary_entropy(one) for one in scores["mean_label"].tolist()])
    scores["skill"] = np.where(scores["base_loss"] > 0, 1 - moments.mean_loss / scores["base_loss"], math.nan)
    scores["moments"] = moments
    if "cluster" in state.tables:
        clusters = clusters_of(state, name)
        scores |= clusters.errors("loss", moments.mean, moments.weight.high)
        scores["standard_error"] = np.where(moments.finite, scores["standard_error"], math.nan)
        if not lists:
            off = clusters.errors("residual", numbers["residual"] / moments.weight, moments.weight.high)
            scores["calibration_standard_error"] = off["standard_error"]
    return scores


def _of_no_rows(columns: tuple[str, ...] = BINARY) -> Sums:
    sums, table = Sums([], columns), _core.SumTable(len(columns))
    table.resize(1)
    sums.put([], table)
    return sums


def clusters_of(state: State, name: str) -> Clusters:
    """The clusters of all rows, or of each group."""
    sums, keys = state.tables["cluster"], len(state.key_types)
    if name != "group":
        _, sums = sums.by(keys)
        return Clusters(sums, 1, np.zeros(len(sums), np.int32))
    groups = state.tables["group"]
    places_ = places(sums.settled()[0][:keys], groups.settled()[0], len(sums), len(groups))
    return Clusters(sums, len(groups), places_)


def _groups(state: State, overall: Numbers) -> tuple[Group, ...]:
    """The groups in the order of their keys."""
    with np.errstate(all="ignore"):
        scores = _scores(state, "group")
        contributions = contributions_of(state, scores["moments"], overall["moments"], "loss")
        confusions = _confusions(state, "group")
        bins = _group_bins(state, scores)
    keys, found = _keys(state), _listed(Score, scores)
    return tuple(
        Group(
            keys[i],
            found[i],
            contributions[i],
            *(bins[i] if bins else ()),
            **({"confusions": confusions[i]} if confusions else {}),
        )
        for i in in_order(keys)
    )


def differences(state: State) -> tuple[Difference, Sequence[GroupDifference]]:
    """What two models differ by, for all rows and by group, of a state of pairs."""
    with np.errstate(all="ignore"):
        overall = _differences(state, "all")

    def groups() -> tuple[GroupDifference, ...]:
        with np.errstate(all="ignore"):
            found = _differences(state, "group")
            adds = contributions_of(state, found["moments"], overall["moments"], "loss", about_zero=True)
        keys, scores = _keys(state), _listed(Difference, found)
        return tuple(GroupDifference(keys[i], scores[i], adds[i]) for i in in_order(keys))

    size = len(state.tables["group"]) if "group" in state.tables else 0
    return _listed(Difference, overall)[0], Lazy(size, groups) if size else ()


def _differences(state: State, name: str) -> Numbers:
    sums = state.tables.get(name) or _of_no_rows(PAIRS)
    moments, numbers, table = Moments(sums), sums.numbers(), sums.settled()[1]
    found: Numbers = {"rows": moments.rows, "weight": moments.weight.high, "moments": moments}
    for field, column in (("mean_loss", "mine"), ("other_loss", "other")):
        undefined, infinite, _ = table.specials(sums.columns.index(column))
        mean = np.where(infinite > 0, math.inf, (numbers[column] / moments.weight).high)
        found[field] = np.where(undefined > 0, math.nan, mean)
    both = found["mean_loss"] - found["other_loss"]
    found["difference"] = np.where(np.isfinite(both), moments.mean_loss, both)
    found["identical"] = moments.finite & (moments.loss2.high == 0) & ~moments.overflowed
    found |= {"clusters": None, "correction": np.ones(len(moments.rows))} | moments.errors()
    if "cluster" in state.tables:
        found |= clusters_of(state, name).errors("loss", moments.mean, moments.weight.high)
    found["standard_error"] = np.where(np.isfinite(both) & moments.finite, found["standard_error"], math.nan)
    return found


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
    return [Estimate(*pair) for pair in zip(_plain(adds), _plain(errors), strict=True)]


def _keys(state: State) -> list[Key]:
    """Those of the groups."""
    columns = [column.to_pylist() for column in state.tables["group"].settled()[0]]
    return [tuple(None if text is None else decode(text) for text in key) for key in zip(*columns, strict=True)]


def _listed(kind: Any, numbers: Numbers) -> list[Any]:
    """A score or a difference for each group."""
    size = len(numbers["rows"])
    columns = (numbers[name] for name in kind.__dataclass_fields__)
    return [kind(*row) for row in zip(*([None] * size if one is None else _plain(one) for one in columns), strict=True)]


def _plain(column: np.ndarray) -> list[Any]:
    """As numbers of Python, every nan the same object, so that tuples of them are equal."""
    return [math.nan if one != one else one for one in column.tolist()]


def _entropies(state: State, name: str, groups: int) -> np.ndarray:
    """The loss of always predicting the frequencies of the classes: with log1p, for the digits of one next to 1."""
    found = np.full(groups, math.nan)
    if "class" not in state.tables:
        return found
    keys = len(state.key_types)
    _, sums = state.tables["class"].by(*(range(keys + 1) if name == "group" else [keys]))
    own = sums.settled()[0][:-1]
    of = np.zeros(len(sums), np.int32)
    if name == "group":
        of = places(own, state.tables["group"].settled()[0], len(sums), groups)
    weight, table = sums.numbers()["weight"], _core.SumTable(1)
    table.resize(groups)
    table.merge(sums.settled()[1], of)
    whole = DoubleDouble(table.rounded()[0][:, 0], table.rounded()[1][:, 0])[of]
    share, rest = (weight / whole).high, ((whole - weight) / weight).high
    terms: list[list[float]] = [[] for _ in range(groups)]
    for group, p, odds in zip(of.tolist(), share.tolist(), rest.tolist(), strict=True):
        if p > 0:
            terms[group].append(p * math.log1p(odds))
    return np.array([math.fsum(one) if one else math.nan for one in terms])


def _bins(state: State, overall: Numbers) -> Bins:
    sums = state.tables.get("bin") or Sums([pa.int64()], BIN)
    return _bins_of(sums, np.arange(len(sums)), _core.coarse_bins, design_effect(state, overall))


def design_effect(state: State, scores: Numbers, i: int = 0) -> float:
    """By how much clusters widen the variance of label minus prediction, compared with independent rows; at least 1."""
    if "cluster" not in state.tables or state.kind["rows"] != "numbers":
        return 1.0
    ratio = (scores["calibration_standard_error"][i] / scores["independent"][i]) ** 2
    return max(1.0, float(ratio)) if math.isfinite(ratio) else 1.0


def _bins_of(sums: Sums, chosen: np.ndarray, shape: tuple[int, int], effect: float) -> Bins:
    """Some of the bins, in order; their probabilities are label and residual, added before they are rounded."""
    keys, table = sums.settled()
    index = keys[-1].to_numpy()
    chosen = chosen[np.argsort(index[chosen])]
    weight, weight2, label, residual, loss = (one[chosen] for one in sums.numbers().values())
    undefined, infinite, _ = table.specials(4)[:, chosen]
    losses = np.where(undefined > 0, math.nan, np.where(infinite > 0, math.inf, loss.high))
    with np.errstate(all="ignore"):
        size = np.where(weight.high > 0, weight.high**2 / weight2.high / effect, 0)
    numbers = (size, weight.high, label.high, (label + residual).high, losses)
    return Bins(*_ends(index[chosen], shape), table.rows()[chosen], *numbers)


def _ends(index: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    per_logit, reach = shape
    lower = np.where(index < -reach, -math.inf, index / per_logit)
    return lower, np.where(index >= reach, math.inf, (index + 1) / per_logit)


def _fine_bins(state: State) -> FineBins | None:
    sums = state.tables.get("fine")
    return None if sums is None else _fine_bins_of(sums, np.arange(len(sums)), _core.fine_bins)


def _fine_bins_of(sums: Sums, chosen: np.ndarray, shape: tuple[int, int]) -> FineBins:
    index, numbers = sums.settled()[0][-1].to_numpy(), sums.numbers()
    chosen = chosen[np.argsort(index[chosen])]
    return FineBins(*_ends(index[chosen], shape), numbers["weight"].high[chosen], numbers["label"].high[chosen])


def _group_bins(state: State, scores: Numbers) -> list[tuple[Bins, FineBins]]:
    """The bins of each group, where there are few enough groups; the coarse ones are put together from the fine."""
    if "group_bin" not in state.tables:
        return []
    fine, groups = state.tables["group_bin"], state.tables["group"]
    *own, index = fine.settled()[0]
    per_logit, reach = _core.coarse_bins
    wide = np.clip(index.to_numpy() // (GROUP_BINS[0] // per_logit), -reach - 1, reach)
    _, coarse = fine.regrouped([*own, pa.array(wide)])

    def by_group(sums: Sums) -> list[np.ndarray]:
        of = places(sums.settled()[0][:-1], groups.settled()[0], len(sums), len(groups))
        return np.split(np.argsort(of, kind="stable"), np.cumsum(np.bincount(of, minlength=len(groups)))[:-1])

    return [
        (
            _bins_of(coarse, bins, _core.coarse_bins, design_effect(state, scores, i)),
            _fine_bins_of(fine, finer, GROUP_BINS),
        )
        for i, (bins, finer) in enumerate(zip(by_group(coarse), by_group(fine), strict=True))
    ]


def _losses(state: State) -> Losses:
    if "nats" not in state.tables:
        return Losses(np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
    (index,), table = state.tables["nats"].settled()
    at = index.to_numpy()
    lower = np.arange(at.min(), at.max() + 1)
    rows = np.zeros(len(lower), np.int64)
    rows[at - at.min()] = table.rows()
    lowest = _core.lowest_loss_bin
    return Losses(
        np.where(lower == lowest, 0.0, 2.0**lower), np.where(lower == lowest + 64, math.inf, 2.0 ** (lower + 1)), rows
    )


def _confusions(state: State, name: str) -> list[tuple[Confusion, ...]]:
    """The counts at each threshold, of all rows or of each group."""
    if "threshold" not in state.tables:
        return []
    sums = state.tables["threshold"] if name == "group" else state.tables["threshold"].by()[1]
    whole = state.tables[name].numbers()
    rows = DoubleDouble(state.tables[name].settled()[1].rows())
    order = np.arange(1, dtype=np.int32)
    if name == "group":
        order = places(state.tables[name].settled()[0], sums.settled()[0], len(rows.high), len(sums))
    weight, positive, found = whole.get("weight", rows), whole["label"], []
    for threshold in state.kind["thresholds"]:
        at, hits = (sums.numbers()[f"{what} {threshold!r}"][order] for what in ("weight at", "label at"))
        cells = (hits, at - hits, weight - at - positive + hits, positive - hits)
        found.append([Confusion(threshold, *one) for one in zip(*(c.high.tolist() for c in cells), strict=True)])
    return list(zip(*found, strict=True))


def in_order(keys: Sequence[Key]) -> list[int]:
    """Where the keys stand, sorted column by column: by value where all are numbers (also as text), nulls last."""
    numeric = [all(value is None or _is_number(value) for value in column) for column in zip(*keys, strict=True)]

    def rank(i: int) -> tuple:
        return tuple(
            (True,) if value is None else (False, float(value) if number else 0.0, str(type(value)), str(value))
            for value, number in zip(keys[i], numeric, strict=True)
        )

    return sorted(range(len(keys)), key=rank)


def _is_number(value: Any) -> bool:
    try:
        return not math.isnan(float(value))
    except (ValueError, TypeError):
        return False
