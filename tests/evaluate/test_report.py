"""What a report prints: the columns, their digits, the order of the groups, and keys that are not what one hopes."""

import csv
import datetime
import io
import json
import math
from dataclasses import asdict, replace

import numpy as np
import pyarrow as pa
import pytest

from logitloss.evaluate import Group, Score, score
from logitloss.evaluate.compare import compare
from logitloss.evaluate.display import data, ranking
from logitloss.evaluate.display import table as report

FIELDS = ["rows", "weight", "mean_loss", "standard_error", "base_loss", "skill", "mean_label", "mean_probability"]


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
    return Score(int(weight), weight, loss, 0.01, 0.5, 1 - loss / 0.5, 0.2, 0.2)


def with_groups(usual, overall, groups):
    return replace(
        usual, overall=overall, by=("k",), groups=tuple(Group((key,), value) for key, value in groups.items())
    )


# --- the order -------------------------------------------------------------------------------------------------------


def test_the_contributions_by_their_definition(usual):
    overall = usual.overall
    above = {g.key: g.score.weight / overall.weight * (g.score.mean_loss - overall.mean_loss) for g in usual.groups}
    got = ranking.ranked(usual)
    assert [group.key for group, _ in got] == sorted(above, key=lambda key: -above[key])
    for group, contribution in got:
        assert contribution == pytest.approx(above[group.key], rel=1e-12)
    assert math.fsum(contribution for _, contribution in got) == pytest.approx(0, abs=1e-12)


def test_the_contributions_by_hand(usual):
    groups = {"a": one(0.5, 128), "b": one(0.25, 384), "c": one(0.3125, 256), "d": one(0.375, 256)}
    got = ranking.ranked(with_groups(usual, one(0.3125, 1024), groups))
    assert [(group.key[0], part) for group, part in got] == [("a", 3 / 128), ("d", 1 / 64), ("c", 0), ("b", -3 / 128)]


@pytest.mark.parametrize("all_rows", [math.inf, math.nan])
def test_where_no_contribution_can_be_told_groups_are_in_the_order_of_their_loss(usual, all_rows):
    groups = {"a": one(0.5), "b": one(math.nan), "c": one(0.75), "d": one(all_rows)}
    got = ranking.ranked(with_groups(usual, one(all_rows), groups))
    order = [group.key[0] for group, _ in got]
    assert order == (["d", "c", "a", "b"] if all_rows == math.inf else ["c", "a", "b", "d"])
    assert all(math.isnan(share) for _, share in got)


def test_equal_groups_contribute_nothing_and_keep_their_order(usual):
    got = ranking.ranked(with_groups(usual, one(0.5), {"a": one(0.5), "b": one(0.5)}))
    assert [(group.key[0], part) for group, part in got] == [("a", 0), ("b", 0)]


# --- the forms -------------------------------------------------------------------------------------------------------


def cells(text):
    """The lines of a table between its rules, split where two spaces or more are."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines() if "─" not in line
    ]


def test_table(usual):
    head, *rows, everything = cells(printed(report.write_table, usual))
    assert head == ["key", "month", "rows", "mean loss", "std error", "base-rate loss", "skill", "contribution"]
    for row, (group, share) in zip(rows, ranking.ranked(usual), strict=True):
        s = group.score
        assert row == [
            *map(str, group.key),
            str(s.rows),
            f"{s.mean_loss:#.6g}",
            f"{s.standard_error:#.2g}",
            f"{s.base_loss:#.6g}",
            f"{s.skill:.4f}",
            f"{share:+#.4g}",
        ]
    assert everything[:3] == ["all", "1000", f"{usual.overall.mean_loss:#.6g}"]
    assert len(everything) == 6  # one cell for both keys, and no share
    assert str(usual).rstrip("\n") == report.table(usual) == printed(report.write_table, usual).rstrip("\n")


def test_weights_are_shown_where_there_are_any():
    weighted = score(table(), logits="x", labels="z", by="key", weights="w")
    head, first, *_ = cells(report.table(weighted))
    assert head[:3] == ["key", "rows", "weight"]
    assert first[2] == f"{ranking.ranked(weighted)[0][0].score.weight:g}"
    assert report.table(score(table(), logits="x", labels="z")).count("weight") == 0


def test_of_very_many_groups_the_table_has_the_first(usual, monkeypatch):
    monkeypatch.setattr(report, "MOST_GROUPS", 3)
    lines = cells(report.table(usual))
    whole = replace(usual, groups=tuple(group for group, _ in ranking.ranked(usual)[:3]))
    assert [line[:2] for line in lines[1:4]] == [list(map(str, group.key)) for group in whole.groups]
    assert lines[4][:2] == ["all", "1000"]
    assert lines[5:] == [["the first 3 of 9 groups; the other formats have them all"]]
    assert printed(report.write_md, usual).count("\n") == 2 + 9 + 1


def test_numbers_that_are_none(usual):
    infinite = with_groups(usual, one(math.inf), {"a": replace(one(math.inf), skill=math.nan)})
    assert cells(report.table(infinite))[1] == ["a", "1", "inf", "0.010", "0.500000", "n/a", "n/a"]
    _, overall, group = csv.reader(io.StringIO(printed(data.write_csv, infinite)))
    assert overall[4:] == ["inf", "0.01", "0.5", "-inf", "0.2", "0.2", ""]
    assert group[4:] == ["inf", "0.01", "0.5", "nan", "0.2", "0.2", "nan"]


def test_json(usual):
    document = json.loads(printed(data.write_json, usual), parse_constant=pytest.fail)
    assert list(document) == ["overall", "by", "decomposition", "groups"]
    assert document["overall"] == asdict(usual.overall)
    assert document["by"] == ["key", "month"]
    parts = document["decomposition"]
    total = parts["miscalibration"] - parts["discrimination"] + parts["uncertainty"]
    assert total == pytest.approx(usual.overall.mean_loss, rel=1e-14)
    assert document["groups"] == [
        {"key": dict(zip(usual.by, group.key, strict=True)), **asdict(group.score), "contribution": share}
        for group, share in ranking.ranked(usual)
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
    assert head == ["scope", "key", "month", *FIELDS, "contribution"]
    assert overall == ["overall", "", "", *map(str, asdict(usual.overall).values()), ""]
    for row, (group, share) in zip(rows, ranking.ranked(usual), strict=True):
        assert row == ["group", *map(str, group.key), *map(str, asdict(group.score).values()), str(share)]
    assert float(overall[5]) == usual.overall.mean_loss
    head, _ = csv.reader(io.StringIO(printed(data.write_csv, score(table(), logits="x", labels="z"))))
    assert head == ["scope", *FIELDS]


def test_markdown(usual):
    lines = printed(report.write_md, usual).splitlines()
    assert lines[0] == "| key | month | rows | mean loss | std error | base-rate loss | skill | contribution |"
    assert lines[1] == "|---|---|---:|---:|---:|---:|---:|---:|"
    shown = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert shown[:-1] == cells(report.table(usual))[1:-1]
    assert shown[-1][:3] == ["**all**", "", "**1000**"]
    assert shown[-1][-1] == ""


def test_arrow(usual):
    got = usual.to_arrow()
    assert got.column_names == ["scope", "key", "month", *FIELDS, "contribution"]
    assert [str(kind) for kind in got.schema.types] == ["string", "string", "int64", "int64", *["double"] * 8]
    rows = got.to_pylist()
    assert rows[0] == {"scope": "overall", "key": None, "month": None, **asdict(usual.overall), "contribution": None}
    assert rows[1]["contribution"] == ranking.ranked(usual)[0][1]
    assert len(rows) == 1 + len(usual.groups)
    assert score(table(), logits="x", labels="z").to_arrow().column_names == ["scope", *FIELDS]


def test_a_repr_is_one_line_however_many_groups_there_are(usual):
    assert repr(usual) == (
        f"Report(rows=1000, mean_loss={usual.overall.mean_loss!r}, by=('key', 'month'), groups={len(usual.groups)})"
    )
    assert repr(score(table(), logits="x", labels="z")) == f"Report(rows=1000, mean_loss={usual.overall.mean_loss!r})"


def test_dict_and_pandas(usual):
    pd = pytest.importorskip("pandas")
    document = usual.to_dict()
    assert document["overall"] == asdict(usual.overall)
    assert [tuple(group["key"].values()) for group in document["groups"]] == [
        group.key for group, _ in ranking.ranked(usual)
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
    assert math.fsum(part for _, part in ranking.ranked(weighted)) == pytest.approx(
        weighted.overall.difference, rel=1e-12
    )
    got = compare(rows, logits="x", labels="z", other_logits="y", by="key")
    names = ["rows", "weight", "mean_loss", "other_loss", "difference", "standard_error"]
    parts = [group.score.weight * group.score.difference / got.overall.weight for group in got.groups]
    assert [part for _, part in ranking.ranked(got)] == pytest.approx(sorted(parts, reverse=True), rel=1e-15)
    assert math.fsum(parts) == pytest.approx(got.overall.difference, rel=1e-14)
    document = json.loads(printed(data.write_json, got))
    assert list(document) == ["overall", "by", "groups"]
    assert document["overall"] == asdict(got.overall)
    assert list(document["groups"][0]) == ["key", *names, "contribution"]
    head, *_ = csv.reader(io.StringIO(printed(data.write_csv, got)))
    assert head == ["scope", "key", *names, "contribution"]
    head, first, *_ = cells(report.table(got))
    assert head == ["key", "rows", "mean loss", "other loss", "difference", "std error", "contribution"]
    assert first[4] == f"{ranking.ranked(got)[0][0].score.difference:+#.4g}"
    assert printed(report.write_md, got).startswith("| key | rows | mean loss | other loss | difference |")
