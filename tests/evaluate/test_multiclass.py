"""Scoring lists of logits: the oracle is math on Python's floats and exact fractions, errors are compared word for word."""

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

import logitloss
from logitloss.cli import main
from logitloss.evaluate import InputError, Score, State, score
from logitloss.evaluate.input import read
from logitloss.evaluate.input.columns import Columns
from logitloss.evaluate.input.sources import open_sources
from logitloss.evaluate.state import count

ROW_1 = "(the first row of data is row 1)"
MEND = "correct the value or leave the row out"
THREE = "a list of 3 numbers, one for each class, as most lists have"
CLASS = "a class from 0 to 2, the index of a number in the list"


def entropy(labels):
    """The entropy of the frequencies, from the definition."""
    shares = [count / len(labels) for count in Counter(np.asarray(labels).tolist()).values()]
    return -math.fsum(p * math.log(p) for p in shares)


def oracle(labels, logits):
    """The score by its definition, from the element losses."""
    losses = logitloss.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits).tolist()
    loss = float(sum(map(Fraction, losses)) / len(losses))
    base = pytest.approx(entropy(labels), rel=1e-14, abs=0)
    skill = pytest.approx(1 - loss / base.expected, rel=1e-12, abs=1e-14)
    error = pytest.approx(np.std(losses, ddof=1) / math.sqrt(len(losses)), rel=1e-12, abs=0)
    sizes = {"effective_size": float(len(losses)), "dof": len(losses) - 1.0}
    return Score(len(losses), float(len(losses)), loss, error, base, skill, math.nan, math.nan, **sizes)


def lists(logits, kind="list"):
    """The rows of an array as an Arrow array of lists."""
    n, k = logits.shape
    values = pa.array(logits.ravel())
    if kind == "fixed_size_list":
        return pa.FixedSizeListArray.from_arrays(values, k)
    of = pa.ListArray if kind == "list" else pa.LargeListArray
    return of.from_arrays(pa.array(np.arange(n + 1) * k, pa.int32() if kind == "list" else pa.int64()), values)


def write(path, columns, rows=170):
    """The columns as a file of the kind that the name says, in pieces of so many rows."""
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(columns), path, row_group_size=rows)
    else:
        pa.feather.write_feather(pa.table(columns), path, chunksize=rows)
    return path


def columns(n=500, k=4, dtype=np.float32, seed=0):
    """Predictions that reach far into the tail, most of them right; the last class is rare."""
    r = np.random.default_rng(seed)
    labels = r.choice(k, n, p=[0.5, *[0.49 / (k - 2)] * (k - 2), 0.01])
    logits = r.normal(size=(n, k)) * np.exp(r.uniform(-10, 3, (n, 1)))
    logits[np.arange(n), labels] += 3
    return {"x": logits.astype(dtype), "z": labels, "key": r.choice(["a", "b", "c"], n)}


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow"])
@pytest.mark.parametrize("kind", ["list", "large_list", "fixed_size_list"])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_overall_and_groups_equal_the_definition(tmp_path, name, kind, dtype):
    data = columns(dtype=dtype)
    path = write(tmp_path / name, {**data, "x": lists(data["x"], kind)})
    report = score(path, logits="x", labels="z", by=["key"])
    data["x"] = data["x"].astype(np.promote_types(dtype, np.float32))  # float16 has losses in float32
    assert report.overall == oracle(data["z"], data["x"])
    assert [group.key for group in report.groups] == [("a",), ("b",), ("c",)]
    for group in report.groups:
        mask = data["key"] == group.key[0]
        assert group.score == oracle(data["z"][mask], data["x"][mask])


@pytest.mark.parametrize("labels", ["int8", "uint8", "int16", "int32", "uint32", "int64", "uint64"])
def test_every_integer_is_a_label(tmp_path, labels):
    data = columns(50, k=300)  # more classes than a label of 8 bits can name
    z = data["z"] % 100
    path = write(tmp_path / "p.parquet", {"x": lists(data["x"]), "z": z.astype(labels)})
    assert score(path, logits="x", labels="z").overall == oracle(z, data["x"])


def test_the_loss_by_the_schoolbook_formula(tmp_path):
    x, z = [[0.5, -2.0, 3.25], [1.0, 0.0, -1.0], [2.0, 2.0, 2.0], [0.0, 1.0, 5.0]], [0, 1, 2, 0]
    losses = [-math.log(math.exp(row[y]) / sum(map(math.exp, row))) for row, y in zip(x, z, strict=True)]
    got = score(write(tmp_path / "p.arrow", {"x": x, "z": z}), logits="x", labels="z").overall
    assert got.rows == 4
    assert got.mean_loss == pytest.approx(math.fsum(losses) / 4, rel=1e-15, abs=0)
    assert got.base_loss == pytest.approx(math.log(2) / 2 + math.log(4) / 2, rel=1e-15, abs=0)
    assert got.skill == 1 - got.mean_loss / got.base_loss


@pytest.mark.parametrize("rows", [1, 7, 128, 10**6])
def test_batches_files_formats_and_order_do_not_change_a_bit(tmp_path, monkeypatch, rows):
    data = columns(dtype=np.float64)
    one = write(tmp_path / "one.parquet", {**data, "x": lists(data["x"])})
    whole = score(one, logits="x", labels="z", by=["key"])
    monkeypatch.setattr(read, "BATCH_ROWS", rows)
    files = []
    order = np.random.default_rng(2).permutation(500)
    kinds = ["list", "large_list", "fixed_size_list"]
    for name, kind, part in zip(["a.arrow", "b.parquet", "c.feather"], kinds, np.array_split(order, 3), strict=True):
        piece = {key: column[part] for key, column in data.items()}
        files.append(write(tmp_path / name, {**piece, "x": lists(piece["x"], kind)}))
    for paths in ([one], files, files[::-1]):
        assert score(paths, logits="x", labels="z", by=["key"]) == whole


def test_a_batch_holds_so_many_logits_and_not_so_many_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "BATCH_ROWS", 40)
    shapes = []
    monkeypatch.setattr(count.Counter, "update", lambda self, batch: shapes.append(batch.logits.shape))
    for name in ("p.parquet", "p.arrow"):
        shapes.clear()
        data = columns(100)
        score(write(tmp_path / name, {**data, "x": lists(data["x"])}, rows=100), logits="x", labels="z")
        assert shapes == [(10, 4)] * 10


def test_states_merge():
    data = columns()
    parts = State(), State()
    for state, rows in zip(parts, (slice(0, 200), slice(200, None)), strict=True):
        state.update(data["z"][rows], data["x"][rows])
    parts[0].merge(parts[1])
    assert parts[0].compute() == oracle(data["z"], data["x"])


def test_the_base_loss_keeps_its_digits_where_one_class_is_nearly_all():
    state = State()
    state.update(np.array([0, 1]), np.zeros((2, 3)), np.array([1e15, 1.0]))
    rows = 10**15 + 1  # -log(1 - 1 / rows) is 1 / rows and half of its square
    want = (10**15 * (1 / rows + 0.5 / rows**2) + math.log(rows)) / rows
    assert state.compute().base_loss == pytest.approx(want, rel=1e-15, abs=0)


def test_infinite_logits_are_scored(tmp_path):
    x = [[-math.inf, 1.0, 2.0], [math.inf, 0.0, 0.0], [0.0, 0.0, -math.inf]]
    right = score(write(tmp_path / "right.arrow", {"x": x, "z": [1, 0, 0]}), logits="x", labels="z").overall
    assert right.mean_loss == pytest.approx((math.log1p(math.e) + 0 + math.log(2)) / 3, rel=1e-15, abs=0)
    wrong = score(write(tmp_path / "wrong.arrow", {"x": x, "z": [0, 0, 1]}), logits="x", labels="z").overall
    assert (wrong.mean_loss, wrong.skill) == (math.inf, -math.inf)
    both = write(tmp_path / "both.arrow", {"x": [[math.inf, math.inf]], "z": [0]})
    assert math.isnan(score(both, logits="x", labels="z").overall.mean_loss)


def test_no_skill_is_defined_where_all_labels_are_the_same(tmp_path):
    got = score(write(tmp_path / "p.arrow", {"x": [[1.0, 2.0], [3.0, 0.0]], "z": [1, 1]}), logits="x", labels="z")
    assert got.overall.base_loss == 0
    assert math.isnan(got.overall.skill)


GOOD = [[0.0, 1.0, 2.0], [1.0, 0.0, 2.0], [2.0, 1.0, 0.0]]
WHOLE = pa.list_(pa.field("element", pa.int32()), 3)  # so named by Parquet whatever it is given


@pytest.mark.parametrize("rows", [1, 10**6])
@pytest.mark.parametrize("name", ["p.parquet", "p.arrow"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"x": [*GOOD[:2], [1.0, 2.0]]}, f"column 'x', row 3 {ROW_1}: got a list of 2, expected {THREE}; {MEND}"),
        ({"x": [GOOD[0], [0.0] * 4, []]}, f"column 'x', row 2 {ROW_1}: got a list of 4, expected {THREE}; {MEND}"),
        ({"x": [GOOD[0], None, [0.0]]}, f"column 'x', row 2 {ROW_1}: got null, expected {THREE}; {MEND}"),
        (
            {"x": [GOOD[0], [1.0, 2.0, math.nan], [1.0]]},
            f"column 'x', row 2 {ROW_1}: got a list of 3 with nan for class 2, expected {THREE}; {MEND}",
        ),
        (
            {"x": [[1.0, None, math.nan], GOOD[1], GOOD[2]]},
            f"column 'x', row 1 {ROW_1}: got a list of 3 with null for class 1, expected {THREE}; {MEND}",
        ),
        (
            {"x": [[], [1.0], [1.0]]},
            f"column 'x', row 1 {ROW_1}: got a list of 0, expected a list of 1 numbers, one for each class, as most lists have; {MEND}",
        ),
        (
            {"x": [None, [1.0], [1.0]]},
            f"column 'x', row 1 {ROW_1}: got null, expected a list of 1 numbers, one for each class, as most lists have; {MEND}",
        ),
        ({"z": [0, 3, -1]}, f"column 'z', row 2 {ROW_1}: got 3, expected {CLASS}; {MEND}"),
        ({"z": [0, 2, -1]}, f"column 'z', row 3 {ROW_1}: got -1, expected {CLASS}; {MEND}"),
        ({"z": [0, None, 5]}, f"column 'z', row 2 {ROW_1}: got null, expected {CLASS}; {MEND}"),
        (
            {"z": [0, 5, 1], "x": [*GOOD[:2], [1.0]]},
            f"column 'z', row 2 {ROW_1}: got 5, expected {CLASS}; {MEND}",
        ),
        (
            {"z": [0.0, 1.0, 2.0]},
            f"column 'z', row 1 {ROW_1}: got a value of type double, as in the whole column, expected an integer, the "
            "index of a class, because the logits are lists; name another column, or cast this one",
        ),
        (
            {"x": pa.array([[1, 2, 3]] * 3, WHOLE)},
            f"column 'x', row 1 {ROW_1}: got a value of type {WHOLE}, as in the whole column, "
            "expected lists of float16, float32 or float64; name another column, or cast this one",
        ),
        (
            {"x": pa.array([], pa.list_(pa.float32())), "z": pa.array([], pa.int8())},
            "has no rows, and no rows have no mean; leave it out",
        ),
    ],
)
def test_error_texts(tmp_path, monkeypatch, name, rows, change, error):
    monkeypatch.setattr(read, "BATCH_ROWS", rows)
    path = write(tmp_path / name, {"x": GOOD, "z": [0, 1, 2], **change})
    with pytest.raises(InputError) as caught:
        score(path, logits="x", labels="z")
    assert str(caught.value) == f"{path}: {error}"


@pytest.mark.parametrize("name", ["p.parquet", "p.arrow"])
def test_a_null_among_lists_of_fixed_size_is_refused(tmp_path, name):
    x = pa.array([GOOD[0], None, GOOD[2]], pa.list_(pa.float32(), 3))
    path = write(tmp_path / name, {"x": x, "z": [0, 1, 2]})
    with pytest.raises(InputError, match=r"column 'x', row 2 .*: got null, expected a list of 3"):
        score(path, logits="x", labels="z")


@pytest.mark.parametrize("kind", ["list", "large_list", "fixed_size_list"])
def test_no_flipped_bit_escapes(tmp_path, kind):
    path, data = tmp_path / "p.arrow", columns(4)
    pa.feather.write_feather(pa.table({"x": lists(data["x"], kind), "z": data["z"]}), path, compression="uncompressed")
    content = path.read_bytes()
    refused = 0
    for i in range(8, len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :])
        try:
            assert score(path, logits="x", labels="z").overall.rows > 0
        except InputError:
            refused += 1
    assert refused > 50


def test_all_files_have_lists_of_one_length(tmp_path):
    three = write(tmp_path / "three.parquet", {"x": GOOD, "z": [0, 1, 2]})
    two = write(tmp_path / "two.arrow", {"x": [[1.0, 2.0]], "z": [0]})
    scalar = write(tmp_path / "scalar.parquet", {"x": [1.0], "z": [0]})
    text = tmp_path / "text.csv"
    text.write_text("x,z\n1,0\n")

    def error(*files):
        with pytest.raises(InputError) as caught:
            score(files, logits="x", labels="z")
        return str(caught.value)

    assert error(three, two) == f"{two}: column 'x', row 1 {ROW_1}: got a list of 2, expected {THREE}; {MEND}"
    for other in (scalar, text):
        got = f"{other}: logits, column 'x': got numbers, expected lists as in {three}; score these files apart"
        assert error(three, other) == got
    assert error(three, three) == f"{three}: is named twice; each of its rows would count twice, name it once"
    assert (
        error(text, three)
        == f"{three}: logits, column 'x': got lists, expected numbers as in {text}; score these files apart"
    )


def test_the_command_scores_and_refuses(tmp_path, monkeypatch, capsys):
    def run(path):
        command = ["logitloss", "eval", str(path), "--logits", "x", "--labels", "z", "--format", "csv"]
        monkeypatch.setattr("sys.argv", command)
        with pytest.raises(SystemExit) as caught:
            main()
        return caught.value.code, *capsys.readouterr()

    zeros = write(tmp_path / "p.parquet", {"x": [[0.0, 0.0]] * 2, "z": [0, 1]})
    code, out, err = run(zeros)
    names, values = (line.split(",") for line in out.splitlines())
    got = dict(zip(names, values, strict=True))
    assert (code, err, got["scope"], got["rows"], got["mean_loss"]) == (0, "", "overall", "2", str(math.log(2)))
    assert (got["base_loss"], got["skill"]) == (str(math.log(2)), "0.0")
    bad = write(tmp_path / "bad.parquet", {"x": [[0.0, 0.0]], "z": [2]})
    code, out, err = run(bad)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"logitloss eval: {bad}: column 'z', row 1 {ROW_1}: got 2, expected a class from 0 to 1")


def test_parts_have_as_many_logits_as_those_of_single_ones(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "PART_ROWS", 1000)
    data = columns(500, k=4)
    path = write(tmp_path / "p.parquet", {**data, "x": lists(data["x"])}, rows=50)
    lone = write(tmp_path / "lone.parquet", {**data, "x": data["x"][:, 0]}, rows=50)
    for file, parts in ((path, 2), (lone, 1)):
        (source,) = open_sources(str(file), Columns((("x", "z"),)))
        assert [piece.rows for piece in read.pieces_of([source], source.classes)] == [500 // parts] * parts
