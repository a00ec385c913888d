"""Two models on the same rows: the paired difference by its definition in exact fractions, and the gates."""

import math
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

import logitloss
from logitloss.evaluate import InputError, score
from logitloss.evaluate.compare import compare
from logitloss.evaluate.input import read
from logitloss.evaluate.results import Comparison, Difference

SAME = "the two must hold the same rows in the same order"


def models(n=1000, seed=0):
    """Labels, and two models' logits of different precision, the second one a little better."""
    r = np.random.default_rng(seed)
    truth = r.normal(0, 2, n)
    return {
        "z": r.random(n) < 1 / (1 + np.exp(-truth)),
        "x": (truth + r.normal(0, 0.5, n)).astype(np.float32),
        "y": truth + r.normal(0, 0.3, n),
        "key": r.choice(["a", "b", "c"], n),
        "w": r.random(n),
    }


def write(path, data, rows=170):
    pa.parquet.write_table(pa.table(data), path, row_group_size=rows)
    return path


def exact(values):
    return [Fraction(value) for value in np.asarray(values, np.float64).tolist()]


def by_definition(labels, logits, others, weights=None):
    """The weighted mean of the row-wise differences and its standard error, in fractions."""
    mine, other = (
        exact(logitloss.sigmoid_cross_entropy_with_logits(labels=labels, logits=one)) for one in (logits, others)
    )
    w = exact(np.ones(len(labels)) if weights is None else weights)
    n, total = len(w), sum(w)
    d = [a - b for a, b in zip(mine, other, strict=True)]
    mean = sum(a * b for a, b in zip(w, d, strict=True)) / total
    squares = sum((a * (b - mean)) ** 2 for a, b in zip(w, d, strict=True))
    means = [sum(a * b for a, b in zip(w, losses, strict=True)) / total for losses in (mine, other)]
    error = math.sqrt(squares * n / (n - 1)) / float(total)
    return Difference(n, float(total), *map(float, means), float(mean), error)


def assert_close(got, want):
    """Equal but for the rounding of the differences and products, one each."""
    assert got.rows == want.rows
    for name in ("weight", "mean_loss", "other_loss", "difference", "standard_error"):
        assert getattr(got, name) == pytest.approx(getattr(want, name), rel=1e-13), name


@pytest.mark.parametrize("weights", [None, "w"])
def test_the_paired_difference_is_its_definition(tmp_path, weights):
    data = models()
    path = write(tmp_path / "p.parquet", data)
    got = compare(path, logits="x", labels="z", other_logits="y", by="key", weights=weights)
    w = None if weights is None else data["w"]
    assert_close(got.overall, by_definition(data["z"], data["x"], data["y"], w))
    assert [group.key for group in got.groups] == [("a",), ("b",), ("c",)]
    for group in got.groups:
        mine = data["key"] == group.key[0]
        want = by_definition(data["z"][mine], data["x"][mine], data["y"][mine], None if w is None else w[mine])
        assert_close(group.score, want)
    alone = score(path, logits="x", labels="z", weights=weights).overall
    assert got.overall.mean_loss == alone.mean_loss
    # Pairing is what it is for: the rows' own difficulty, in both losses, is not in the error of the difference.
    assert got.overall.standard_error < 0.7 * alone.standard_error


@pytest.mark.parametrize("rows", [1, 7, 128, 10**6])
def test_another_file_however_it_is_split_gives_the_same_bits(tmp_path, monkeypatch, rows):
    data = models()
    want = compare(write(tmp_path / "p.parquet", data), logits="x", labels="z", other_logits="y", by="key", weights="w")
    first = [write(tmp_path / "a.parquet", {name: column[:333] for name, column in data.items()}, rows)]
    first += [write(tmp_path / "b.parquet", {name: column[333:] for name, column in data.items()}, 100)]
    other = write(tmp_path / "o.parquet", {"z": data["z"], "x": data["y"]}, 64)
    monkeypatch.setattr(read, "BATCH_ROWS", rows)
    got = compare(first, other, logits="x", labels="z", by="key", weights="w")
    assert got == want
    assert got.sources == tuple(map(str, first))
    assert got.others == (str(other),)
    table = pa.table({"z": data["z"].astype(np.int8), "x": data["y"]})
    assert compare(first, table, logits="x", labels="z", by="key", weights="w") == want


def test_the_other_way_round_is_the_negative(tmp_path):
    path = write(tmp_path / "p.parquet", models())
    there = compare(path, logits="x", labels="z", other_logits="y").overall
    back = compare(path, logits="y", labels="z", other_logits="x").overall
    assert (back.difference, back.standard_error) == (-there.difference, there.standard_error)
    assert (back.mean_loss, back.other_loss) == (there.other_loss, there.mean_loss)
    assert there.difference > 0  # x is the worse model


def test_a_constant_difference_has_no_error():
    """The squares are summed exactly, so nothing is left where they cancel."""
    table = pa.table({"z": [0, 1] * 50, "x": [-40.0, 40.0] * 50, "y": [40.0, -40.0] * 50})
    got = compare(table, logits="x", labels="z", other_logits="y").overall
    assert (got.difference, got.standard_error) == (-40.0, 0.0)


@pytest.mark.parametrize(
    ("x", "y", "difference"), [(np.inf, 0.0, np.inf), (0.0, np.inf, -np.inf), (np.inf, np.inf, np.nan)]
)
def test_infinite_losses(x, y, difference):
    table = pa.table({"z": [0, 0, 1], "x": [x, 1.0, 2.0], "y": [y, 0.5, 3.0]})
    got = compare(table, logits="x", labels="z", other_logits="y").overall
    np.testing.assert_equal(got.difference, difference)
    assert math.isnan(got.standard_error)


def test_classes():
    r = np.random.default_rng(0)
    x, y, z = r.normal(size=(50, 3)).astype(np.float32), r.normal(size=(50, 3)), r.integers(0, 3, 50)
    table = pa.table({"z": z, "x": x.tolist(), "y": y.tolist()})
    table = table.set_column(1, "x", table["x"].cast(pa.list_(pa.float32())))
    got = compare(table, logits="x", labels="z", other_logits="y").overall
    mine, other = (
        logitloss.sparse_softmax_cross_entropy_with_logits(labels=z, logits=one).astype(np.float64) for one in (x, y)
    )
    assert got.difference == pytest.approx(math.fsum((mine - other).tolist()) / 50, rel=1e-14)
    assert got.standard_error == pytest.approx(np.std(mine - other, ddof=1) / math.sqrt(50), rel=1e-12)


def test_probabilities_and_progress():
    data = models()
    p, q = (1 / (1 + np.exp(-np.float64(data[name]))) for name in "xy")
    seen = []
    got = compare(
        pa.table({"z": data["z"], "x": p, "y": q}),
        probabilities="x",
        labels="z",
        other_probabilities="y",
        progress=lambda rows, share: seen.append((rows, share)),
    )
    want = by_definition(data["z"], np.float64(data["x"]), data["y"])
    assert got.overall.difference == pytest.approx(want.difference, rel=1e-9)
    assert seen[-1] == (1000, 1.0)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda t: t.slice(0, 99), "pyarrow.Table: row 100 has no partner; " + SAME),
        (lambda t: pa.concat_tables([t, t.slice(0, 1)]), "pyarrow.Table: row 101 has no partner; " + SAME),
        (
            lambda t: t.set_column(0, "z", pa.array([1 - t["z"][0].as_py(), *t["z"].to_pylist()[1:]])),
            "pyarrow.Table: row 1 has the label {}, row 1 of pyarrow.Table has {}; " + SAME,
        ),
        (
            lambda t: t.set_column(0, "z", pa.array([*t["z"].to_pylist()[:-1], 0.5])),
            "pyarrow.Table: row 100 has the label 0.5, row 100 of pyarrow.Table has {1}; " + SAME,
        ),
        (
            lambda t: t.set_column(0, "z", pa.array([None, *t["z"].to_pylist()[1:]])),
            "pyarrow.Table: column 'z', row 1 (the first row of data is row 1): got null, expected a number from 0 to 1; "
            "correct the value or leave the row out",
        ),
        (lambda t: t.drop_columns(["x"]), "pyarrow.Table: no column 'x'; the columns are 'z', 'y'"),
    ],
)
def test_rows_that_are_not_the_same(change, text):
    data = models(100)
    data["z"] = data["z"].astype(np.int8)
    table = pa.table({name: data[name] for name in "zxy"})
    first = 0 if "row 1 of" in text else 99
    other = change(table)
    if "{" in text:
        text = text.format(other["z"][first].as_py(), table["z"][first].as_py())
    with pytest.raises(InputError) as raised:
        compare(table, other, logits="x", labels="z")
    assert str(raised.value) == text


def test_nothing_to_compare(tmp_path):
    path = write(tmp_path / "p.parquet", models())
    text = "compared with itself; name another file, or another column of predictions in this one"
    for options in ({}, {"other_logits": "x"}):
        with pytest.raises(InputError) as raised:
            compare(path, logits="x", labels="z", **options)
        assert str(raised.value) == text
    for files, other in (([], path), (path, [])):
        with pytest.raises(InputError) as raised:
            compare(files, other, logits="x", labels="z")
        assert str(raised.value) == "no files to compare; name at least one of each"


def test_a_comparison_prints_as_a_table():
    data = models()
    got = compare(pa.table(data), logits="x", labels="z", other_logits="y", by="key")
    assert isinstance(got, Comparison)
    lines = [line.split() for line in str(got).splitlines() if "─" not in line]
    assert " ".join(lines[0]) == "key rows mean loss other loss difference std error contribution ± std error"
    assert len(lines) == 5
    arrow = got.to_arrow()
    assert arrow.column_names[:4] == ["scope", "key", "rows", "weight"]
    contributions = arrow["contribution"].to_pylist()
    assert contributions[0] is None
    assert math.fsum(contributions[1:]) == pytest.approx(got.overall.difference, rel=1e-14)
    assert contributions[1:] == sorted(contributions[1:], reverse=True)
