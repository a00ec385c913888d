"""What may be scored: every format and way to name it, tables of other libraries, weights, probabilities, pairs."""

import contextlib
import io
import json
import math
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logitloss.cli import app
from logitloss.evaluate import InputError, State, score
from logitloss.evaluate.input import read
from logitloss.evaluate.input import sources as inputs

XZ = {"logits": "x", "labels": "z"}
PZ = {"logits": None, "probabilities": "x", "labels": "z"}


def columns(n=400, seed=0):
    r = np.random.default_rng(seed)
    x = r.normal(size=n) * 3
    return {"x": x, "z": (r.random(n) < 0.4).astype(int), "w": r.exponential(size=n), "key": r.choice(["a", "b"], n)}


def write(path, data):
    """The columns in the format that the name says."""
    table = data if isinstance(data, pa.Table) else pa.table(data)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pa.parquet.write_table(table, path)
    elif path.suffix == ".orc":
        pa.orc.write_table(table, path)
    elif path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in table.to_pylist()))
    else:
        pa.feather.write_feather(table, path)
    return path


def parts_of(data, n):
    return [{name: column[i::n] for name, column in data.items()} for i in range(n)]


def error(source, **arguments):
    with pytest.raises(InputError) as caught:
        score(source, **{**XZ, **arguments})
    return str(caught.value)


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as exit:
        app([str(argument) for argument in arguments], prog_name="logitloss")
    return exit.value.code or 0, *capsys.readouterr()


@pytest.fixture
def want(tmp_path):
    return score(write(tmp_path / "want.parquet", columns()), **XZ, by="key", weights="w")


@pytest.mark.parametrize("name", ["p.csv", "p.orc", "p.jsonl", "p.feather"])
def test_every_format_gives_the_same_bits(tmp_path, want, name):
    assert score(write(tmp_path / name, columns()), **XZ, by="key", weights="w") == want


def test_a_glob_a_folder_and_addresses(tmp_path, want):
    folder = tmp_path / "folder"
    for i, part in enumerate(parts_of(columns(), 3)):
        write(folder / "deep" / f"{i}.parquet" if i else folder / "0.csv", part)
    for hidden in ("_temporary/0.parquet", ".hidden.parquet", "_SUCCESS"):
        (folder / hidden).parent.mkdir(exist_ok=True)
        (folder / hidden).write_text("not to be read")
    for source in (folder, f"{folder}/**/*.[pc]*", f"file://{folder}", [f"{folder}/0.csv", f"{folder}/deep"]):
        if "*" in str(source):
            (folder / "_temporary" / "0.parquet").unlink()
        report = score(source, **XZ, by="key", weights="w")
        assert report == want
        assert [name.removeprefix("file://") for name in report.sources] == [
            f"{folder}/0.csv",
            f"{folder}/deep/1.parquet",
            f"{folder}/deep/2.parquet",
        ]


def test_the_folders_of_hive_are_columns(tmp_path):
    data, folder = columns(), tmp_path / "hive"
    for i, part in enumerate(parts_of(data, 4)):
        day = ["day=2", "day=10", "day=__HIVE_DEFAULT_PARTITION__", "day=-1"][i]
        write(folder / day / f"where=caf%C3%A9 {i % 2}" / f"{i}.parquet", part)
    report = score(folder, **XZ, by=["day", "where"])
    places = ["café 0", "café 1"]
    assert [group.key for group in report.groups] == [
        ("-1", places[1]),
        ("2", places[0]),
        ("10", places[1]),
        (None, places[0]),
    ]
    assert score(folder, **XZ, by="day").groups[2].score == score(folder / "day=10", **XZ).overall
    assert report.overall == score(write(tmp_path / "p.parquet", data), **XZ).overall
    write(folder / "day=x" / "where=y" / "4.parquet", data)  # then they sort as text
    keys = [group.key for group in score(folder, **XZ, by="day").groups]
    assert keys == [("-1",), ("10",), ("2",), ("x",), (None,)]
    assert error(folder, by="month").endswith("; the columns are 'x', 'z', 'w', 'key', 'day', 'where'")


def test_a_column_of_the_file_counts_before_that_of_its_folder(tmp_path):
    write(tmp_path / "hive" / "key=from the folder" / "p.parquet", columns())
    assert [group.key for group in score(tmp_path / "hive", **XZ, by="key").groups] == [("a",), ("b",)]


def test_names_that_lead_nowhere(tmp_path):
    (tmp_path / "empty").mkdir()
    assert error(tmp_path / "*.parquet") == f"{tmp_path}/*.parquet: matches no file; check the pattern"
    assert error(tmp_path / "empty").startswith(
        f"{tmp_path}/empty: no file in it has a name that ends in a known format, such as .parquet"
    )
    got = error("nowhere://bucket/p.parquet")
    assert got.startswith("nowhere://bucket/p.parquet: cannot be opened: ")
    assert got.endswith("; check the address")
    assert error([3.5]) == (
        "got builtins.float, expected a path, glob, folder or address of files, a table (of PyArrow, Polars, pandas, "
        "DuckDB, or any with __arrow_c_stream__), a dict of arrays, or a list of these"
    )


@pytest.mark.parametrize("library", ["pyarrow", "polars", "duckdb", "pandas"])
def test_tables_of_other_libraries(tmp_path, want, library, monkeypatch):
    monkeypatch.setattr(read, "BATCH_ROWS", 64)
    module, table = pytest.importorskip(library), pa.table(columns())
    if library == "pandas" or library == "polars":
        table = module.DataFrame(columns())
    elif library == "duckdb":
        connection = module.connect()
        connection.register("t", table)
        table = connection.sql("select * from t")
    if not hasattr(table, "__arrow_c_stream__"):
        pytest.skip("this version has no __arrow_c_stream__")
    report = score(table, **XZ, by="key", weights="w")
    assert report == want
    assert report.sources[0].startswith(library)


def test_errors_in_a_table_name_its_row(monkeypatch):
    monkeypatch.setattr(read, "BATCH_ROWS", 7)
    data = columns(30)
    data["x"][17] = np.nan
    assert error(pa.table(data)) == (
        "pyarrow.Table: column 'x', row 18 (the first row of data is row 1): got nan, expected a number; correct the "
        "value or leave the row out"
    )
    assert error(pa.table(columns(0))) == "pyarrow.Table: has no rows, and no rows have no mean; leave it out"
    assert error(pa.table({"x": [1.0]})) == "pyarrow.Table: no column 'z'; the columns are 'x'"
    lists = pa.table({"x": [[1.0, 2.0], [1.0]], "z": [0, 1]})
    assert "row 2 (the first row of data is row 1): got a list of 1, expected a list of 2" in error(lists)
    assert score(lists[:1], **XZ).overall.rows == 1

    def broken():
        yield pa.record_batch({"x": [1.0], "z": [0]})
        raise pa.ArrowInvalid("the disk is gone")

    schema = pa.schema({"x": pa.float64(), "z": pa.int64()})
    assert "pyarrow.RecordBatchReader: " in error(pa.RecordBatchReader.from_batches(schema, broken()))


@pytest.mark.parametrize("name", ["p.parquet", "p.csv", "p.orc", "p.jsonl", "p.arrow", "stream"])
def test_standard_input(tmp_path, name, want, monkeypatch, capsys):
    if name == "stream":
        sink = io.BytesIO()
        with pa.ipc.new_stream(sink, pa.table(columns()).schema) as writer:
            writer.write_table(pa.table(columns()))
        content = sink.getvalue()
    else:
        content = write(tmp_path / name, columns()).read_bytes()
    arguments = ["eval", "-", "--logits", "x", "--labels", "z", "--by", "key", "--weights", "w", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "logitloss", *arguments], input=content, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert json.loads(done.stdout)["overall"]["mean_loss"] == want.overall.mean_loss
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content[: len(content) // 2])))
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("logitloss eval: stdin: ")


def test_a_query_joins_labels_to_predictions(tmp_path, want, capsys):
    pytest.importorskip("duckdb")
    data = columns()
    ids = np.arange(len(data["x"]))
    write(tmp_path / "p.parquet", {"id": ids, "x": data["x"]})
    write(tmp_path / "z.csv", {"id": ids[::-1], "z": data["z"][::-1]})
    sql = f"select x, z from '{tmp_path}/p.parquet' join '{tmp_path}/z.csv' using (id)"
    code, out, err = run(capsys, "eval", "--sql", sql, "--logits", "x", "--labels", "z", "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["overall"]["mean_loss"] == score(tmp_path / "want.parquet", **XZ).overall.mean_loss
    code, out, err = run(capsys, "eval", "--sql", "select y", "--logits", "x", "--labels", "z")
    assert (code, out) == (2, "")
    assert err.startswith("logitloss eval: --sql: Binder Error: ")


def test_weights(tmp_path):
    data = columns()
    path = write(tmp_path / "p.parquet", data)
    got = score(path, **XZ, by="key", weights="w")
    assert got.overall == State().update(data["z"], data["x"], data["w"]).compute()
    a = data["key"] == "a"
    assert got.groups[0].score == State().update(data["z"][a], data["x"][a], data["w"][a]).compute()
    for bad, shown in ((-1.0, "-1.0"), (math.nan, "nan"), (math.inf, "inf"), (1e101, "1e+101")):
        data["w"][5] = bad
        text = error(write(path, data), weights="w")
        assert text == (
            f"{path}: column 'w', row 6 (the first row of data is row 1): got {shown}, expected a number from 0 to "
            "1e+100; correct the value or leave the row out"
        )
    assert "expected an integer or a float; name another column" in error(path, weights="key")
    assert error(path, weights="x") == "columns named twice: logits 'x', labels 'z', weights 'x', by []; name each once"


def test_probabilities_keep_their_tails_and_those_at_the_end_are_counted(tmp_path, capsys):
    p = np.array([0.5, 1e-300, 1 - 2.0**-53, 5e-324, 0.0, 1.0, 0.0, 0.25])
    z = np.array([1, 1, 0, 1, 0, 1, 0, 0])
    path = write(tmp_path / "p.parquet", {"x": p, "z": z})
    got = score(path, **PZ)
    losses = [math.log(2), 300 * math.log(10), 53 * math.log(2), 1074 * math.log(2), 0, 0, 0, -math.log(0.75)]
    assert got.overall.mean_loss == pytest.approx(math.fsum(losses) / 8, rel=1e-15, abs=0)
    assert (got.zeros, got.ones, got.skipped) == (2, 1, {})
    arguments = ["eval", path, "--probabilities", "x", "--labels", "z", "--format", "csv"]
    assert run(capsys, *arguments)[::2] == (
        0,
        "logitloss: 3 given probabilities are exactly 0 or 1; where the label differs, the loss is infinite.\n",
    )
    single = write(tmp_path / "f.parquet", {"x": np.float32([1 - 2.0**-24, 1e-45]), "z": [0, 1]})
    loss = score(single, **PZ).overall.mean_loss
    assert loss == pytest.approx((24 + 149) * math.log(2) / 2, rel=1e-15, abs=0)
    for bad in (1.5, -0.5, math.nan):
        write(path, {"x": [0.5, bad], "z": [0, 1]})
        text = error(path, **PZ)
        assert f"column 'x', row 2 (the first row of data is row 1): got {bad}, expected a number from 0 to 1;" in text
    lists = write(tmp_path / "l.parquet", {"x": [[0.5, 0.5], [0.75, 0.25]], "z": [0, 1]})
    assert score(lists, **PZ).overall.mean_loss == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-15)
    assert error(write(tmp_path / "m.parquet", {"x": [[0.5, 0.4]], "z": [0]}), **PZ).endswith(
        "got a list of 2, expected a list of 2 probabilities that sum to 1, one for each class, as most lists have; "
        "correct the value or leave the row out"
    )


@settings(max_examples=100, deadline=None)
@given(st.floats(5e-324, 1, exclude_max=True))
def test_a_probability_s_loss_is_minus_its_logarithm(p):
    loss = score(pa.table({"x": [p], "z": [1]}), **PZ).overall.mean_loss
    assert loss == pytest.approx(-math.log(p), rel=4e-15, abs=0)


def test_several_pairs_are_scored_together_and_apart(tmp_path, capsys):
    a, b = columns(seed=1), columns(seed=2)
    data = {"cat": a["x"], "is_cat": a["z"], "dog": b["x"], "is_dog": b["z"], "key": a["key"], "w": a["w"]}
    path = write(tmp_path / "p.parquet", data)
    got = score(path, logits=["cat", "dog"], labels=["is_cat", "is_dog"], by="key", weights="w")
    assert got.by == ("labels", "key")
    assert [group.key for group in got.groups] == [(one, key) for one in ("is_cat", "is_dog") for key in "ab"]
    states = [State().update(one["z"], one["x"], data["w"]) for one in (a, b)]
    assert got.overall == State().merge(states[0]).merge(states[1]).compute()
    alone = score(path, logits="dog", labels="is_dog", by="key", weights="w")
    assert [group.score for group in got.groups[2:]] == [group.score for group in alone.groups]
    code, out, _ = run(
        capsys, "eval", path, "--logits", "cat", "--labels", "is_cat", "--logits", "dog", "--labels", "is_dog"
    )
    assert code == 0
    assert "is_cat" in out
    assert error(path, logits=["cat", "dog"], labels="is_cat") == (
        "got 2 columns of logits and 1 of labels; name one of labels for each of logits"
    )
    assert error(path, logits=["cat", "dog"], labels=["is_cat", "is_dog"], by="labels").startswith(
        "by 'labels': several"
    )


def test_rows_that_cannot_be_scored_are_counted(tmp_path, capsys):
    data = columns(50)
    data["x"][[3, 7]] = np.nan
    labels, keys = data["z"].astype(float), list(data["key"])
    labels[[7, 9]] = [2, math.nan]
    path = write(tmp_path / "p.parquet", {**data, "z": labels, "key": keys})
    good = ~np.isin(np.arange(50), [3, 7, 9])
    got = score(path, **XZ, by="key", skip_invalid=True, max_skipped=0.1)
    assert got.skipped == {"x is no number": 2, "z is no number": 1}
    assert got.overall == State().update(labels[good], data["x"][good]).compute()
    assert sum(group.score.rows for group in got.groups) == 47
    code, _, err = run(capsys, "eval", path, "--logits", "x", "--labels", "z", "--skip-invalid", "--max-skipped", "0.1")
    assert (code, err) == (
        0,
        "logitloss: 3 rows (6.0% of all) could not be scored and are left out: 2 x is no number; 1 z is no number.\n",
    )
    lists = write(tmp_path / "l.arrow", {"x": [[1.0, 2.0], None, [1.0]], "z": [0, 1, 2]})
    assert score(lists, **XZ, skip_invalid=True, max_skipped=1).overall.rows == 1
    (tmp_path / "t.csv").write_text("x,z\n1,0\nabc,1\n2,1\n,0\n3,0\n")
    got = score(tmp_path / "t.csv", **XZ, skip_invalid=True, max_skipped=0.5)
    assert (got.overall.rows, got.skipped) == (3, {"x is no number": 1, "x is missing": 1})
    assert got.overall.mean_loss == State().update(np.array([0, 1, 0]), np.array([1.0, 2, 3])).compute().mean_loss


def test_a_file_that_changes_while_it_is_read(tmp_path, monkeypatch):
    path = write(tmp_path / "p.csv", columns())
    scan = read._read

    def shrink(*arguments):
        yield from scan(*arguments)
        path.write_bytes(path.read_bytes()[:-20])

    monkeypatch.setattr(read, "_read", shrink)
    assert error(path) == f"{path}: changed while it was read; score it when it is complete"


def test_whole_numbers_in_json_are_logits(tmp_path):
    path = tmp_path / "p.jsonl"
    path.write_text('{"x": 1, "z": 0, "key": 3}\n{"x": -2, "z": 1, "key": 4}\n')
    got = score(path, **XZ, by="key")
    assert got.overall == State().update(np.array([0, 1]), np.array([1.0, -2.0])).compute()
    assert [group.key for group in got.groups] == [("3",), ("4",)]  # the text that stands there
    path.write_text('{"x": [1, 2], "z": 0}\n{"x": [2, 1], "z": 1}\n')
    assert score(path, **XZ).overall.rows == 2
    path.write_text('{"x": 1, "z": 0}\n{"x": "a", "z": 1}\n')
    assert error(path).startswith(f"{path}: cannot be read as JSON: line 2: Failed to cast value to numerical")
    path.write_text('{"y": 1, "z": 0}\n')
    assert error(path) == f"{path}: no column 'x'; the columns are 'y', 'z'"


def rows_or_text(source):
    """How many rows were scored, or the text of the error; any other error escapes."""
    try:
        return score(source, **XZ).overall.rows, ""
    except InputError as caught:
        return 0, str(caught)


@pytest.mark.parametrize("name", ["p.orc", "p.jsonl"])
def test_damaged_files_are_refused_or_read(tmp_path, name):
    path = write(tmp_path / name, columns(4))
    content = path.read_bytes()
    spoiled = [content[:size] for size in range(0, len(content), 7)]
    spoiled += [content[:i] + bytes([content[i] ^ 1 << i % 8]) + content[i + 1 :] for i in range(0, len(content), 3)]
    for one in spoiled:
        path.write_bytes(one)
        rows, text = rows_or_text(path)
        assert rows or (text.isprintable() and text.startswith(f"{path}: "))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=80), st.sampled_from(["", '{"x": 1, "z": 0}\n', "x,z\n1,0\n", "PAR1", "ARROW1", "ORC"]))
def test_any_bytes_in_a_pipe_are_scored_or_refused(content, start):
    with contextlib.suppress(InputError), inputs.spooled(io.BytesIO(start.encode() + content)) as file:
        rows, text = rows_or_text([file])
        assert rows or (text.isprintable() and text.startswith("stdin: "))


def test_limits_are_gates(tmp_path, capsys):
    path = write(tmp_path / "p.parquet", columns())
    loss = score(path, **XZ).overall.mean_loss
    arguments = ["eval", path, "--logits", "x", "--labels", "z"]
    assert run(capsys, *arguments, "--max-loss", repr(loss))[::2] == (0, "")
    code, out, err = run(capsys, *arguments, "--max-loss", loss * 0.999)
    assert (code, "mean loss" in out) == (1, True)
    assert err.startswith(f"logitloss eval: the mean loss is {loss!r}, more than ")
    better = write(tmp_path / "better.parquet", {**columns(), "x": columns()["x"] * 0.1})
    code, out, err = run(capsys, *arguments, "--compare", better, "--no-worse-by", "0.01")
    assert (code, "difference" in out) == (1, True)
    assert "and must be more than 0.01 above it (confidence 0.95)" in err
    assert run(capsys, *arguments, "--compare", better, "--no-worse-by", "10")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "no files to score; name at least one, or - for standard input, or give --sql"),
        (["a.csv", "--sql", "select 1"], "got files and --sql; a query names its own files"),
        (["a.csv", "-"], "standard input, named -, cannot be scored with other files; score it by itself"),
        (
            ["a.csv", "--compare", "b.csv", "--state", "s"],
            "--compare takes no --state, --dask or --skip-invalid; score each model with these",
        ),
        (
            ["a.csv", "--compare", "b.csv", "--logits", "y", "--labels", "v"],
            "--compare takes one column of logits; compare the pairs one by one",
        ),
    ],
)
def test_what_cannot_be_asked_for(capsys, arguments, text):
    assert run(capsys, "eval", "--logits", "x", "--labels", "z", *arguments) == (2, "", f"logitloss eval: {text}\n")
