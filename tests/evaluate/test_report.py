"""What a report prints: the columns, their digits, the order of the groups, and keys that are not what one hopes."""

import csv
import datetime
import io
import json
import math
from dataclasses import asdict, fields, replace

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import Group, Score, score
from logitloss.evaluate.compare import compare
from logitloss.evaluate.display import data, ranking
from logitloss.evaluate.display import table as report
from logitloss.evaluate.results import Difference, Estimate

SCORE = [field.name for field in fields(Score)]
OF_BINS = [
    *(
        "brier_reliability",
        "brier_resolution",
        "brier_uncertainty",
        "expected_calibration_error",
        "auc_low",
        "auc_high",
    ),
    *("slope", "slope_standard_error", "intercept", "intercept_standard_error"),
]
CONTRIBUTION = ["contribution", "contribution_standard_error"]
WHOLE = {"rows": "int64", "clusters": "int64"}  # the other numbers are fractions


def expected(of, score):
    """The numbers of a report, or of a group, by name."""
    numbers = asdict(score) | {f"brier_{name}": getattr(of.brier, name) for name in ("reliability", "resolution")}
    numbers |= {"brier_uncertainty": of.brier.uncertainty, "expected_calibration_error": of.expected_calibration_error}
    numbers |= {"auc_low": of.auc[0], "auc_high": of.auc[1]}
    for name in ("slope", "intercept"):
        numbers |= {name: getattr(of, name).value, f"{name}_standard_error": getattr(of, name).standard_error}
    if of is not score and hasattr(of, "contribution"):
        numbers |= zip(CONTRIBUTION, asdict(of.contribution).values(), strict=True)
    return numbers


def table(n=1000):
    r = np.random.default_rng(0)
    logits = r.normal(-1, 1.5, n)
    labels = (r.random(n) < 1 / (1 + np.exp(-logits))).astype(np.int8)
    return pa.table(
        {"x": logits, "z": labels, "key": r.choice(["a", "b", "c"], n), "month": r.integers(1, 4, n), "w": r.random(n)}
    )


@pytest.fixture(scope="module")
def usual():
    return score(table(), logits="x", labels="z", by=["key", "month"])


def printed(writer, result):
    out = io.StringIO()
    writer(result, out)
    return out.getvalue()


def one(loss, weight=1.0):
    numbers = {"mean_label": 0.2, "mean_probability": 0.2, "brier_score": 0.1, "calibration_standard_error": 0.01}
    sure = {"clusters": None, "effective_size": weight, "dof": weight - 1, "correction": 1.0}
    return Score(int(weight), weight, loss, 0.01, 0.5, 1 - loss / 0.5, **numbers, **sure)


def with_groups(usual, overall, groups):
    """A report of these scores by key, each with the contribution that follows from them."""
    parts = {key: s.weight * (s.mean_loss - overall.mean_loss) / overall.weight for key, s in groups.items()}
    made = tuple(Group((key,), value, Estimate(parts[key], 0.01)) for key, value in groups.items())
    return replace(usual, overall=overall, by=("k",), groups=made)


# --- the order -------------------------------------------------------------------------------------------------------


def test_the_contributions_by_their_definition(usual):
    overall = usual.overall
    above = {g.key: g.score.weight / overall.weight * (g.score.mean_loss - overall.mean_loss) for g in usual.groups}
    got = ranking.ranked(usual)
    assert [group.key for group in got] == sorted(above, key=lambda key: -above[key])
    for group in got:
        assert group.contribution.value == pytest.approx(above[group.key], rel=1e-12)
    assert math.fsum(group.contribution.value for group in got) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("all_rows", [math.inf, math.nan])
def test_where_no_contribution_can_be_told_groups_are_in_the_order_of_their_loss(usual, all_rows):
    groups = {"a": one(0.5), "b": one(math.nan), "c": one(0.75), "d": one(all_rows)}
    whole = with_groups(usual, one(all_rows), groups)
    unknown = Estimate(math.nan, math.nan)
    whole = replace(whole, groups=tuple(replace(group, contribution=unknown) for group in whole.groups))
    order = [group.key[0] for group in ranking.ranked(whole)]
    assert order == (["d", "c", "a", "b"] if all_rows == math.inf else ["c", "a", "b", "d"])


def test_equal_groups_contribute_nothing_and_keep_their_order(usual):
    got = ranking.ranked(with_groups(usual, one(0.5), {"a": one(0.5), "b": one(0.5)}))
    assert [(group.key[0], group.contribution.value) for group in got] == [("a", 0), ("b", 0)]


# --- the forms -------------------------------------------------------------------------------------------------------


def cells(text):
    """The lines of a table between its rules, split where two spaces or more are."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines() if "─" not in line
    ]


def test_table(usual):
    head, *rows, everything = cells(printed(report.write_table, usual))
    shown = ["rows", "mean loss", "std error", "base-rate loss", "skill", "contribution", "± std error"]
    assert head == ["key", "month", *shown]
    for row, group in zip(rows, ranking.ranked(usual), strict=True):
        s, contribution = group.score, group.contribution
        assert row == [
            *map(str, group.key),
            str(s.rows),
            f"{s.mean_loss:#.6g}",
            f"{s.standard_error:#.2g}",
            f"{s.base_loss:#.6g}",
            f"{s.skill:.4f}",
            f"{contribution.value:+#.3g}",
            f"{contribution.standard_error:#.2g}",
        ]
    assert everything[:3] == ["all", "1000", f"{usual.overall.mean_loss:#.6g}"]
    assert len(everything) == 6  # one cell for both keys, and no contribution
    assert str(usual).rstrip("\n") == report.table(usual) == printed(report.write_table, usual).rstrip("\n")


def test_weights_are_shown_where_there_are_any():
    weighted = score(table(), logits="x", labels="z", by="key", weights="w")
    head, first, *_ = cells(report.table(weighted))
    assert head[:3] == ["key", "rows", "weight"]
    assert first[2] == f"{ranking.ranked(weighted)[0].score.weight:g}"
    assert report.table(score(table(), logits="x", labels="z")).count("weight") == 0


def test_of_very_many_groups_the_table_has_the_first(usual, monkeypatch):
    monkeypatch.setattr(report, "MOST_GROUPS", 3)
    lines = cells(report.table(usual))
    whole = replace(usual, groups=tuple(ranking.ranked(usual)[:3]))
    assert [line[:2] for line in lines[1:4]] == [list(map(str, group.key)) for group in whole.groups]
    assert lines[4][:2] == ["all", "1000"]
    assert lines[5:] == [["the first 3 of 9 groups; the other formats have them all"]]
    assert printed(report.write_md, usual).count("\n") == 2 + 9 + 1


def test_numbers_that_are_none(usual):
    infinite = with_groups(usual, one(math.inf), {"a": replace(one(math.inf), skill=math.nan)})
    assert cells(report.table(infinite))[1] == ["a", "1", "inf", "0.010", "0.500000", "n/a", "n/a", "0.010"]
    _, overall, group = csv.reader(io.StringIO(printed(data.write_csv, infinite)))
    assert overall[4:9] == ["inf", "0.01", "0.5", "-inf", "0.2"]
    assert group[4:9] == ["inf", "0.01", "0.5", "nan", "0.2"]
    assert group[-2:] == ["nan", "0.01"]


def test_json(usual):
    document = json.loads(printed(data.write_json, usual), parse_constant=pytest.fail)
    named = ["overall", "by", "cluster", "decomposition", "loss_shares", "skipped", "zeros", "ones", "groups"]
    assert list(document) == named
    assert document["overall"] == expected(usual, usual.overall)
    assert document["loss_shares"] == usual.loss_shares
    assert document["by"] == ["key", "month"]
    parts = document["decomposition"]
    total = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    assert total == pytest.approx(usual.overall.mean_loss, rel=1e-14)
    assert document["groups"] == [
        {"key": dict(zip(usual.by, group.key, strict=True)), **expected(group, group.score)}
        for group in ranking.ranked(usual)
    ]


def test_json_of_classes_and_of_numbers_that_are_none():
    rows = pa.table({"x": [[0.0, -np.inf], [1.0, 2.0]], "z": [1, 1]})
    document = json.loads(printed(data.write_json, score(rows, logits="x", labels="z")), parse_constant=pytest.fail)
    assert document["decomposition"] is None
    assert document["overall"]["mean_loss"] is None
    assert document["overall"]["mean_label"] is None
    assert document["groups"] == []


def test_csv(usual):
    text = printed(data.write_csv, usual)
    assert "\r" not in text
    head, overall, *rows = csv.reader(io.StringIO(text))
    assert head == ["scope", "key", "month", *SCORE, *OF_BINS, *CONTRIBUTION]
    assert overall == ["overall", "", "", *map(in_csv, expected(usual, usual.overall).values()), "", ""]
    for row, group in zip(rows, ranking.ranked(usual), strict=True):
        assert row == ["group", *map(str, group.key), *map(in_csv, expected(group, group.score).values())]
    assert float(overall[5]) == usual.overall.mean_loss
    head, _ = csv.reader(io.StringIO(printed(data.write_csv, score(table(), logits="x", labels="z"))))
    assert head == ["scope", *SCORE, *OF_BINS]


def in_csv(number):
    return "" if number is None else str(number)


def test_markdown(usual):
    lines = printed(report.write_md, usual).splitlines()
    shown = "rows | mean loss | std error | base-rate loss | skill | contribution | ± std error"
    assert lines[0] == f"| key | month | {shown} |"
    assert lines[1] == "|---|---|---:|---:|---:|---:|---:|---:|---:|"
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert shown[:-1] == cells(report.table(usual))[1:-1]
    assert shown[-1][:3] == ["**all**", "", "**1000**"]
    assert shown[-1][-1] == ""


def test_arrow(usual):
    got = usual.to_arrow()
    numbers = [*SCORE, *OF_BINS, *CONTRIBUTION]
    assert got.column_names == ["scope", "key", "month", *numbers]
    types = ["string", "string", "int64", *(WHOLE.get(name, "double") for name in numbers)]
    assert [str(kind) for kind in got.schema.types] == types
    rows = got.to_pylist()
    assert rows[0] == {"scope": "overall", "key": None, "month": None} | expected(usual, usual.overall) | dict.fromkeys(
        CONTRIBUTION
    )
    assert rows[1]["contribution"] == ranking.ranked(usual)[0].contribution.value
    assert len(rows) == 1 + len(usual.groups)
    assert score(table(), logits="x", labels="z").to_arrow().column_names == ["scope", *SCORE, *OF_BINS]


def test_a_repr_is_one_line_however_many_groups_there_are(usual):
    assert repr(usual) == (
        f"Report(rows=1000, mean_loss={usual.overall.mean_loss!r}, by=('key', 'month'), groups={len(usual.groups)})"
    )
    assert repr(score(table(), logits="x", labels="z")) == f"Report(rows=1000, mean_loss={usual.overall.mean_loss!r})"


def test_dict_and_pandas(usual):
    pd = pytest.importorskip("pandas")
    document = usual.to_dict()
    assert document["overall"] == expected(usual, usual.overall)
    assert [tuple(group["key"].values()) for group in document["groups"]] == [
        group.key for group in ranking.ranked(usual)
    ]
    assert json.loads(printed(data.write_json, usual)) == document
    pd.testing.assert_frame_equal(usual.to_pandas(), usual.to_arrow().to_pandas())


def test_keys_of_several_kinds_are_a_column_of_text(usual):
    groups = {"a": one(0.5), 1: one(0.25), None: one(0.125)}
    column = data.to_arrow(with_groups(usual, one(0.3), groups))["k"]
    assert column.type == pa.string()
    assert column.to_pylist() == [None, "a", "1", None]


# --- keys ------------------------------------------------------------------------------------------------------------

KEYS = ["[red]a", "line\nbreak \x1b[31m", "k" * 300, "a|b *c* <i>d</i> `e` \\ [f](g) $h$", None]


@pytest.fixture(scope="module")
def odd():
    n = len(KEYS) * 2
    return score(
        pa.table({"x": np.arange(n) / 8, "z": np.arange(n) % 2, "k": KEYS * 2}), logits="x", labels="z", by="k"
    )


@pytest.mark.parametrize("writer", [report.write_table, report.write_md])
def test_keys_for_people_are_printable_and_whole(odd, writer):
    text = printed(writer, odd)
    assert "\x1b" not in text
    assert "k" * 300 in text
    assert "(null)" in text
    lines = [line for line in text.splitlines() if "─" not in line and "---" not in line]
    assert len(lines) == 1 + len(KEYS) + 1


def test_keys_are_no_markup(odd):
    text = report.table(odd)
    assert "[red]a" in text
    assert r"'line\nbreak \x1b[31m'" in text
    lines = printed(report.write_md, odd)
    assert r"| a\|b \*c\* \<i\>d\</i\> \`e\` \\ \[f\](g) \$h\$ |" in lines
    assert r"\[red\]a" in lines


def test_keys_for_programs_are_what_they_were(odd):
    document = json.loads(printed(data.write_json, odd))
    assert {group["key"]["k"] for group in document["groups"]} == set(KEYS)
    assert set(odd.to_arrow()["k"].to_pylist()) == set(KEYS)
    rows = list(csv.reader(io.StringIO(printed(data.write_csv, odd))))
    assert {row[1] for row in rows[2:]} == {key or "" for key in KEYS}


def test_dates_are_keys_too():
    day = datetime.date(2013, 2, 28)
    rows = pa.table({"x": [0.0, 1.0], "z": [0, 1], "day": [day, day]})
    got = score(rows, logits="x", labels="z", by="day")
    assert json.loads(printed(data.write_json, got))["groups"][0]["key"] == {"day": "2013-02-28"}
    for writer in (report.write_table, data.write_csv, report.write_md):
        assert "2013-02-28" in printed(writer, got)


# --- a comparison ----------------------------------------------------------------------------------------------------


def test_a_comparison_in_every_form():
    rows = table()
    rows = rows.append_column("y", pa.array(rows["x"].to_numpy() / 2))
    weighted = compare(rows, logits="x", labels="z", other_logits="y", by="key", weights="w")
    parts = [group.contribution.value for group in ranking.ranked(weighted)]
    assert math.fsum(parts) == pytest.approx(weighted.overall.difference, rel=1e-12)
    got = compare(rows, logits="x", labels="z", other_logits="y", by="key")
    names = [field.name for field in fields(Difference)]
    parts = [group.score.weight * group.score.difference / got.overall.weight for group in got.groups]
    assert [group.contribution.value for group in ranking.ranked(got)] == pytest.approx(
        sorted(parts, reverse=True), rel=1e-15
    )
    assert math.fsum(parts) == pytest.approx(got.overall.difference, rel=1e-14)
    document = json.loads(printed(data.write_json, got))
    assert list(document) == ["overall", "by", "cluster", "groups"]
    assert document["overall"] == asdict(got.overall)
    assert list(document["groups"][0]) == ["key", *names, *CONTRIBUTION]
    head, *_ = csv.reader(io.StringIO(printed(data.write_csv, got)))
    assert head == ["scope", "key", *names, *CONTRIBUTION]
    head, first, *_ = cells(report.table(got))
    assert head == [
        "key",
        "rows",
        "mean loss",
        "other loss",
        "difference",
        "std error",
        *("contribution", "± std error"),
    ]
    assert first[4] == f"{ranking.ranked(got)[0].score.difference:+#.4g}"
    assert printed(report.write_md, got).startswith("| key | rows | mean loss | other loss | difference |")
