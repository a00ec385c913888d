"""Scoring files: the oracle is the definition in exact fractions."""

import datetime
import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import logitloss
from logitloss.evaluate import Score, engine, score
from logitloss.evaluate.input import read
from logitloss.evaluate.state import count

from .support import columns, write


def exact_mean(values):
    """The mean of the values as they are, rounded once: the quotient of two integers."""
    values = values if isinstance(values, list) else np.asarray(values, np.float64).tolist()
    return float(sum(map(Fraction, values)) / len(values))


def oracle(labels, logits):
    """The score by its definition, from the element losses."""
    losses = logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits)
    loss = math.inf if np.isinf(losses).any() else exact_mean(losses)
    p = exact_mean(labels)
    base = 0.0 if p in (0, 1) else -p * math.log(p) - (1 - p) * math.log1p(-p)
    skill = 1 - loss / base if base else math.nan
    residuals = logitloss.sigmoid_cross_entropy_value_and_grad(labels=labels, logits=logits)[1]
    predicted = exact_mean([Fraction(float(z)) + Fraction(float(g)) for z, g in zip(labels, residuals, strict=True)])
    r, z, n = residuals.astype(np.float64), np.asarray(labels, np.float64), len(labels)
    q = np.where(z == 1, -r, z + r)  # the probability, or 1 minus it
    chance = math.sqrt(sum(map(Fraction, (q * (1 - q)).tolist()))) / n
    more = (exact_mean(r * r), chance, None, float(n), n - 1.0)
    return Score(n, float(n), loss, standard_error(losses), base, skill, p, predicted, *more)


def standard_error(losses):
    """That of the mean by its definition, the squares rounded to float64."""
    n, values = len(losses), np.asarray(losses, np.float64)
    if n < 2 or np.isinf(values).any():
        return math.nan
    mean = sum(map(Fraction, values.tolist())) / n
    squares = sum(map(Fraction, (values * values).tolist())) - n * mean**2
    return math.sqrt(max(0, squares / (n * (n - 1))))  # rounded squares can leave less than nothing


def by_hand(data, *names):
    """The groups in order with their scores, one boolean mask each."""
    keys = list(zip(*(np.asarray(data[name]).tolist() for name in names), strict=True))
    masks = {key: np.array([k == key for k in keys]) for key in sorted(set(keys))}
    return [(key, oracle(data["label"][mask], data["logit"][mask])) for key, mask in masks.items()]


def groups(report):
    return [(group.key, group.score) for group in report.groups]


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow", "p.feather"])
def test_overall_and_groups_equal_the_definition(tmp_path, name):
    data = columns()
    report = score(write(tmp_path / name, data), logits="logit", labels="label", by=["carrier", "month"])
    assert report.overall == oracle(data["label"], data["logit"])
    assert report.by == ("carrier", "month")
    assert groups(report) == by_hand(data, "carrier", "month")
    assert [group.key[1] for group in report.groups[:12]] == list(range(1, 13))


def test_a_csv_is_scored_in_float64_with_keys_as_text_in_the_order_of_numbers(tmp_path):
    data = columns()
    data["logit"] = data["logit"].astype(np.float64)
    report = score(write(tmp_path / "p.csv", data), logits="logit", labels="label", by=["month"])
    assert report.overall == oracle(data["label"], data["logit"])
    assert groups(report) == [((str(key),), value) for (key,), value in by_hand(data, "month")]


def test_the_loss_by_the_schoolbook_formula(tmp_path):
    x, z = [0.5, -2.0, 3.25], [1.0, 0.0, 0.25]
    path = write(tmp_path / "p.parquet", {"x": x, "z": z})
    losses = [
        -b * math.log(1 / (1 + math.exp(-a))) - (1 - b) * math.log(1 / (1 + math.exp(a)))
        for a, b in zip(x, z, strict=True)
    ]
    got = score([path], logits="x", labels="z").overall
    assert got.mean_loss == pytest.approx(math.fsum(losses) / 3, rel=1e-15)
    p = 1.25 / 3
    assert got.base_loss == pytest.approx(-p * math.log(p) - (1 - p) * math.log(1 - p), rel=1e-15)
    assert got.skill == 1 - got.mean_loss / got.base_loss
    assert got.rows == 3


@pytest.mark.parametrize("logits", ["float16", "float32", "float64"])
@pytest.mark.parametrize("labels", ["bool", "int8", "uint8", "int64", "uint64", "float16", "float32", "float64"])
def test_every_type_of_column_is_scored_in_its_own_precision_or_in_float32(tmp_path, logits, labels):
    r = np.random.default_rng(1)
    x = r.normal(size=200).astype(logits)
    z = (r.random(200) if labels.startswith("float") else r.integers(0, 2, 200)).astype(labels)
    assert score(write(tmp_path / "p.parquet", {"x": x, "z": z}), logits="x", labels="z").overall == oracle(
        z, x.astype(np.promote_types(logits, np.float32))
    )


@pytest.mark.parametrize("rows", [1, 7, 128, 10**6])
def test_batches_files_formats_and_order_do_not_change_a_bit(tmp_path, monkeypatch, rows):
    data = {name: np.asarray(column) for name, column in columns().items()}
    data["logit"] = data["logit"].astype(np.float64)  # as a CSV holds it
    data["month"] = data["month"].astype(str)
    one = write(tmp_path / "one.parquet", data)
    whole = score(one, logits="logit", labels="label", by=["carrier", "month"])
    overall = score(one, logits="logit", labels="label").overall
    monkeypatch.setattr(read, "BATCH_ROWS", rows)
    monkeypatch.setattr(engine, "PIECE_ROWS", 11)
    monkeypatch.setattr(count, "CHUNK", 5)
    monkeypatch.setattr(read, "CSV_BLOCK_BYTES", 64 + rows)
    order = np.random.default_rng(2).permutation(1000)
    files = []
    for name, part in zip(["a.csv", "b.arrow", "c.parquet", "d.csv"], np.array_split(order, 4), strict=True):
        files.append(write(tmp_path / name, {key: column[part] for key, column in data.items()}))
    for paths in ([one], files, files[::-1]):
        assert score(paths, logits="logit", labels="label", by=["carrier", "month"]) == whole
        assert score(paths, logits="logit", labels="label").overall == overall


def test_infinite_logits_are_scored(tmp_path):
    right = write(tmp_path / "right.csv", {"x": ["inf", "-Infinity", "1e999", "-1"], "z": [1, 0, 1, 1]})
    logits = np.array([math.inf, -math.inf, math.inf, -1.0])
    assert score(right, logits="x", labels="z").overall == oracle(np.array([1, 0, 1, 1]), logits)
    wrong = write(tmp_path / "wrong.parquet", {"x": [math.inf, 1.0], "z": [0, 1]})
    got = score(wrong, logits="x", labels="z").overall
    assert (got.mean_loss, got.base_loss, got.skill) == (math.inf, math.log(2), -math.inf)


def test_no_skill_is_defined_where_all_labels_are_the_same(tmp_path):
    got = score(write(tmp_path / "p.parquet", {"x": [1.0, 2.0], "z": [True, True]}), logits="x", labels="z").overall
    assert got.base_loss == 0
    assert math.isnan(got.skill)


@pytest.mark.parametrize(
    "text",
    [
        b"logit,label\n1,0\n-2,1\n",
        b"logit,label\r\n1,0\r\n-2,1\r\n",
        b"\xef\xbb\xbflogit,label\n1,0\n-2,1",
        b'\xef\xbb\xbf"logit",label\r\n\r\n1,False\r\n\r\n -2 , TRUE\r\n\r\n',
        b"logit,label\n1.0e0,0.0\n-2.,true",
        b'note,logit,label\n"two\nlines, ""quoted""",1,0\nx,-2,1\n',
    ],
)
def test_ways_to_write_a_csv(tmp_path, text):
    (tmp_path / "p.csv").write_bytes(text)
    want = oracle(np.array([0, 1]), np.array([1.0, -2.0]))
    assert score(tmp_path / "p.csv", logits="logit", labels="label").overall == want


def test_values_of_several_lines_may_cross_the_blocks_of_a_csv(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "CSV_BLOCK_BYTES", 64)
    (tmp_path / "p.csv").write_text("note,x,z\n" + '"one\n2,3,1\n",1,0\n' * 50)
    want = oracle(np.zeros(50), np.ones(50))
    assert score(tmp_path / "p.csv", logits="x", labels="z").overall == want


def test_the_name_s_end_counts_in_any_case(tmp_path):
    data = columns(10)
    path = write(tmp_path / "p.parquet", data).rename(tmp_path / "P.PARQUET")
    assert score(path, logits="logit", labels="label").overall == oracle(data["label"], data["logit"])


@pytest.mark.parametrize(
    ("keys", "want"),
    [
        (pa.array(["b", None, "a", "b"]), ["a", "b", None]),
        (pa.array(["b", None, "a", "b"]).dictionary_encode(), ["a", "b", None]),
        (pa.array([10, 9, None, 9], pa.int8()), [9, 10, None]),
        (pa.array([2**64 - 1, 9, None, 9], pa.uint64()), [9, 2**64 - 1, None]),
        (pa.array([-0.0, 0.0, math.nan, None]), [0, None]),
        (pa.array([-0.0, 0.0, math.nan, None]).dictionary_encode(), [0, None]),
        (pa.array(np.array([0, -0.0, np.nan, 1], np.float16)), [0, 1, None]),
        (pa.array([True, False, None, True]), [False, True, None]),
        (
            pa.array([datetime.date(2013, 12, 1), datetime.date(2013, 2, 1), None, None]),
            [datetime.date(2013, 2, 1), datetime.date(2013, 12, 1), None],
        ),
        (pa.array([b"b", b"", b"a", b"b"]), ["", "a", "b"]),
        (pa.nulls(4), [None]),
    ],
)
def test_kinds_of_keys(tmp_path, keys, want):
    path = write(tmp_path / "p.arrow", {"x": [1.0, 2.0, 3.0, 4.0], "z": [0, 1, 0, 1], "key": keys})
    report = score(path, logits="x", labels="z", by=["key"])
    got = [group.key[0] for group in report.groups]
    assert got == want
    assert list(map(repr, got)) == list(map(repr, want))  # 0.0 and not -0.0 or 0
    assert sum(group.score.rows for group in report.groups) == 4


def test_an_empty_csv_cell_is_a_missing_key_and_text_that_is_not_all_numbers_sorts_as_text(tmp_path):
    (tmp_path / "p.csv").write_text("x,z,key\n1,0,10\n1,1,9\n1,0,\n1,1,nan\n")
    report = score(tmp_path / "p.csv", logits="x", labels="z", by=["key"])
    assert [group.key for group in report.groups] == [("10",), ("9",), ("nan",), (None,)]


def test_a_key_of_a_csv_is_the_value_that_it_stands_for_in_a_typed_file(tmp_path):
    a = write(tmp_path / "a.parquet", {"x": [1.0, 2.0], "z": [0, 1], "k": [1, 10]})
    b = write(tmp_path / "b.csv", {"x": [1.0, 2.0], "z": [0, 1], "k": ["9", "10"]})
    report = score([a, b], logits="x", labels="z", by=["k"])
    assert [(group.key, group.score.rows) for group in report.groups] == [((1,), 1), ((9,), 1), ((10,), 2)]


def test_combinations_of_many_values_do_not_overflow(tmp_path):
    # Codes number the values by first appearance. Of six columns of 2^11 values the first counts 2^55 times its code,
    # so 0 and 512 there would be the same modulo 2^64.
    n = 2**11
    keys = {"k0": [*range(n), 0, 512], **{f"k{i}": [*range(n), 7, 7] for i in range(1, 6)}}
    data = {"x": np.zeros(n + 2), "z": np.zeros(n + 2), **keys}
    report = score(write(tmp_path / "p.arrow", data, rows=n + 2), logits="x", labels="z", by=list(keys))
    assert [group.key for group in report.groups] == sorted(zip(*keys.values(), strict=True))


def test_many_groups_do_not_overflow(tmp_path):
    n = 70_000  # squared, more than 2^32: 61361 n + 47299 and 5 n + 3 are the same modulo 2^32
    keys = {"a": [*range(n), 61361, 5], "b": [*range(n), 47299, 3]}
    twice = np.arange(2 * (n + 2)) % (n + 2)  # each group in two places of the batch
    data = {"x": np.zeros(len(twice)), "z": np.zeros(len(twice))}
    data |= {name: np.array(values)[twice] for name, values in keys.items()}
    path = write(tmp_path / "p.arrow", data, rows=len(twice))
    groups = score(path, logits="x", labels="z", by=["a", "b"]).groups
    assert sorted(group.key for group in groups) == sorted(zip(*keys.values(), strict=True))
    assert {group.score.rows for group in groups} == {2}
    assert {group.score.mean_loss for group in groups} == {math.log(2)}


def test_a_key_may_be_a_scored_column_and_names_may_look_like_paths(tmp_path):
    path = write(tmp_path / "p.parquet", {"a.b": [1.0, 2.0], "[0]": [0, 1], "a": [{"b": 5.0}] * 2})
    report = score(path, logits="a.b", labels="[0]", by=["[0]", "a.b"])
    assert [group.key for group in report.groups] == [(0, 1.0), (1, 2.0)]


def test_progress_counts_the_rows_and_ends_with_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "BATCH_ROWS", 100)
    files = [write(tmp_path / name, columns()) for name in ("a.arrow", "b.arrow")]
    calls = []
    score(files, logits="logit", labels="label", progress=lambda *call: calls.append(call))
    assert len(calls) >= 20
    assert calls[-1][0] == 2000
    sizes = [file.stat().st_size for file in files]
    for rows, share in calls:
        done = rows / 1000 * sizes[0] if rows <= 1000 else sizes[0] + (rows - 1000) / 1000 * sizes[1]
        assert share == pytest.approx(done / sum(sizes))

    monkeypatch.setattr(read, "CSV_BLOCK_BYTES", 1000)
    calls.clear()
    score(
        write(tmp_path / "c.csv", columns()), logits="logit", labels="label", progress=lambda *call: calls.append(call)
    )
    assert calls == sorted(calls)
    assert 0.3 < calls[len(calls) // 2][1] < 0.7  # a CSV does not say how many rows it has: this is an estimate
    assert calls[-1][0] == 1000
    assert 0.9 < calls[-1][1] <= 1
