"""From exact sums to a report or a comparison: the numbers of all rows and of all groups, and their bins."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from logitloss import _core
from logitloss.evaluate.input.keys import decode
from logitloss.evaluate.results import (
    Bins,
    Confusion,
    Difference,
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
from logitloss.evaluate.state.moments import Moments, Numbers, clusters_of, contributions_of, plain
from logitloss.evaluate.state.state import BIN, PAIRS
from logitloss.evaluate.state.sums import Sums, places

if TYPE_CHECKING:
    from logitloss.evaluate.state.moments import Moments, Numbers, clusters_of, contributions_of, plain
from logitloss.evaluate.state.state import State


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
            *(bins[i] if bins else (None, None)),
            confusions[i] if confusions else (),
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


def _keys(state: State) -> list[Key]:
    """Those of the groups."""
    columns = [column.to_pylist() for column in state.tables["group"].settled()[0]]
    return [tuple(None if text is None else decode(text) for text in key) for key in zip(*columns, strict=True)]


def _listed(kind: Any, numbers: Numbers) -> list[Any]:
    """A score or a difference for each group."""
    size = len(numbers["rows"])
    columns = (numbers[name] for name in kind.__dataclass_fields__)
    return [kind(*row) for row in zip(*([None] * size if one is None else plain(one) for one in columns), strict=True)]


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
