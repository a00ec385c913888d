"""Files out: written whole or not at all, never over an input, nor over what logitloss did not write."""

import json
import os
import shutil
import stat
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from logitloss.cli import app
from logitloss.evaluate import InputError, merge, score
from logitloss.evaluate.compare import compare

from .. import ROOT

pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("scipy")

SUFFIXES = [".html", ".json", ".csv", ".parquet", ".md"]
UNMARKED = [".json", ".csv", ".md"]
IS_INPUT = "which no output may overwrite; name another file"
NOT_OURS = (
    "exists, and logitloss did not write it; name another file, or replace it with --force (in Python force=True)"
)


@pytest.fixture(scope="module")
def report():
    x = np.linspace(-3, 3, 600)
    table = {"x": x, "z": np.arange(600) % 4 == 0, "key": ["a", "b", None] * 200}
    return score(pa.table(table), logits="x", labels="z", by="key")


@pytest.fixture
def data(tmp_path):
    rows = pa.table({"x": [0.5, -1.0, 2.0], "z": [1, 0, 1], "y": [0.25, -1.0, 1.0]})
    pa.parquet.write_table(rows, tmp_path / "data.parquet")
    return tmp_path / "data.parquet"


@pytest.fixture
def run(capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as exit:
            app([str(argument) for argument in arguments], prog_name="logitloss")
        return exit.value.code or 0, *capsys.readouterr()

    return run


def scoring(*arguments):
    return ("eval", *arguments, "--logits", "x", "--labels", "z")


# --- whole, or what was there before ---------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_replaces_what_we_wrote_and_leaves_nothing_beside_it(tmp_path, report, suffix):
    path = tmp_path / f"report{suffix}"
    report.save(path)
    first = path.read_bytes()
    report.save(path, force=suffix in UNMARKED)
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_what_the_files_hold(tmp_path, report):
    for suffix in SUFFIXES:
        report.save(tmp_path / f"report{suffix}")
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert json.loads((tmp_path / "report.json").read_text())["overall"]["rows"] == 600
    scores = pa.parquet.read_table(tmp_path / "report.parquet")
    assert scores.schema == report.to_arrow().schema
    assert str(scores.to_pylist()) == str(report.to_arrow().to_pylist())  # a nan is not equal to itself
    assert (tmp_path / "report.csv").read_text().startswith("scope,key,rows")
    assert (tmp_path / "report.md").read_text().startswith("| key | rows |")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("limit", [0, 4096])
def test_a_full_disk_leaves_what_was_there(tmp_path, report, limit):
    report.save(tmp_path / "report.html")
    old = (tmp_path / "report.html").read_text()
    code = f"""
import resource, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from tests.evaluate import test_page
from logitloss.evaluate import InputError
report = test_page.report_of()
report._repr_html_()  # what Matplotlib keeps in its cache is written
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
for name in ("report.html", "new.html"):
    try:
        report.save(name)
    except InputError as error:
        print(error)
"""
    got = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    reason = "cannot be written: File too large; name another file, or make room"
    assert got.stdout.splitlines() == [f"report.html: {reason}", f"new.html: {reason}"], got.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert (tmp_path / "report.html").read_text() == old


def test_an_interrupt_leaves_what_was_there(tmp_path, report, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        report.save(tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="needs links and pipes")
def test_links_and_pipes_stay_what_they_are(tmp_path, report):
    (tmp_path / "link.html").symlink_to("real.html")
    report.save(tmp_path / "link.html")
    assert (tmp_path / "link.html").is_symlink()
    page = (tmp_path / "real.html").read_text()
    assert page.startswith("<!doctype html>")
    # A pipe stands for what is no file. Not a device: an error here would replace it for the whole machine.
    os.mkfifo(tmp_path / "pipe.html")
    with subprocess.Popen(["cat", tmp_path / "pipe.html"], stdout=subprocess.PIPE, text=True) as reader:
        try:
            report.save(tmp_path / "pipe.html")
            assert stat.S_ISFIFO(os.stat(tmp_path / "pipe.html").st_mode)
            assert reader.communicate(timeout=60)[0] == page
        finally:
            reader.kill()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("none/report.html", "cannot be written: No such file or directory; name another file, or make its folder"),
        ("folder.html", "cannot be written: Is a directory; name another file"),
        ("report.xlsx", "the name must end in one of .html, .json, .csv, .parquet, .md"),
        ("report", "the name must end in one of .html, .json, .csv, .parquet, .md"),
    ],
)
def test_a_place_that_cannot_be_written_is_told_before_anything_is_scored(run, tmp_path, report, data, place, reason):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(InputError) as raised:
        report.save(tmp_path / place)
    assert str(raised.value) == f"{tmp_path / place}: {reason}"
    data.write_bytes(b"not read")
    got = run(*scoring(data), "--report", tmp_path / place)
    assert got == (2, "", f"logitloss eval: {tmp_path / place}: {reason}\n")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_comparison_is_saved_in_each_form(run, tmp_path, data, suffix):
    compare(data, logits="x", other_logits="y", labels="z").save(tmp_path / f"c{suffix}")
    assert b"difference" in (tmp_path / f"c{suffix}").read_bytes()
    assert run(*scoring(data), "--other-logits", "y", "--report", tmp_path / f"d{suffix}")[0] == 0
    assert (tmp_path / f"d{suffix}").read_bytes() == (tmp_path / f"c{suffix}").read_bytes()


def test_a_title(run, tmp_path, data):
    state, page = tmp_path / "s.state", tmp_path / "r.html"
    for command in (scoring(data, "--state", state), ("merge", state)):
        assert run(*command, "--report", page, "--title", "Arrivals")[0] == 0
        assert '<p class="title">Arrivals</p>' in page.read_text()
        code, out, err = run(*command, "--title", "Arrivals")
        assert (code, out, "--title stands on top of a page; give --report as well" in err) == (2, "", True)


# --- never over an input ---------------------------------------------------------------------------------------------

NAMES = ["as it is", "by another path", "symbolic link", "hard link"]


def named(file, how):
    """The file by one of these names."""
    other = file.with_name("other" + file.suffix)
    if how == "by another path":
        return file.parent / "." / ".." / file.parent.name / file.name
    if how == "symbolic link":
        other.symlink_to(file.name)
    elif how == "hard link":
        os.link(file, other)
    return file if how == "as it is" else other


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("how", NAMES)
@pytest.mark.parametrize("where", ["file", "folder", "glob", "with a state", "the other of two"])
def test_a_report_never_overwrites_an_input(run, data, tmp_path, where, how, force):
    before = data.read_bytes()
    inputs = {"folder": [tmp_path], "glob": [tmp_path / "*a.parquet"]}.get(where, [data])
    options = {"with a state": ["--state", tmp_path / "s.state"], "the other of two": ["--other-logits", "y"]}
    page = named(data, how)
    code, out, err = run(*scoring(*inputs), *options.get(where, []), "--report", page, *force)
    assert (code, out) == (2, "")
    assert err.startswith(f"logitloss eval: {page}: is an input")
    assert err.endswith(f"{IS_INPUT}\n")
    assert data.read_bytes() == before


@pytest.mark.parametrize("how", NAMES)
def test_a_state_never_overwrites_an_input(run, data, tmp_path, how):
    before = data.read_bytes()
    state = named(data, how)
    code, out, err = run(*scoring(data), "--state", state)
    assert (code, out, IS_INPUT in err) == (2, "", True)
    with pytest.raises(InputError, match=IS_INPUT):
        score(data, logits="x", labels="z", state=state)
    assert data.read_bytes() == before


@pytest.mark.parametrize("how", NAMES)
def test_a_merged_state_never_overwrites_one_that_it_is_made_of(run, data, tmp_path, how):
    kept, second = tmp_path / "a.state", tmp_path / "b.state"
    score(data, logits="x", labels="z", state=kept)
    shutil.copy(data, tmp_path / "more.parquet")
    score(tmp_path / "more.parquet", logits="x", labels="z", state=second)
    before = kept.read_bytes()
    for option in ("--state", "--report"):
        code, out, err = run("merge", kept, second, option, named(kept, how) if option == "--state" else kept)
        assert (code, out) == (2, "")
        assert "a.state" in err
        assert kept.read_bytes() == before
    with pytest.raises(InputError, match=IS_INPUT):
        merge([kept, second], state=kept, force=True)
    assert kept.read_bytes() == before


def test_a_report_does_not_overwrite_the_state_of_the_same_run(run, data, tmp_path):
    state = tmp_path / "s.parquet"
    score(data, logits="x", labels="z", state=state)
    code, out, err = run(*scoring(data), "--state", state, "--report", state, "--force")
    assert (code, out, IS_INPUT in err) == (2, "", True)


@pytest.mark.skipif(not os.path.exists("/dev/stdin"), reason="needs /dev/stdin")
def test_standard_input_is_an_input(data):
    before = data.read_bytes()
    command = [sys.executable, "-m", "logitloss", *scoring("-"), "--report", data, "--force"]
    with data.open("rb") as stdin:
        done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, IS_INPUT in done.stderr) == (2, "", True)
    assert data.read_bytes() == before


def test_saving_from_python_never_overwrites_a_source(data):
    before = data.read_bytes()
    for result in (score(data, logits="x", labels="z"), compare(data, logits="x", other_logits="y", labels="z")):
        with pytest.raises(InputError, match=IS_INPUT):
            result.save(data, force=True)
    assert data.read_bytes() == before


# --- nor what we did not write ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_we_did_not_write_is_replaced_by_force_alone(run, data, tmp_path, suffix):
    path = tmp_path / f"mine{suffix}"
    path.write_text("mine")
    code, out, err = run(*scoring(data), "--report", path)
    assert (code, out, err) == (2, "", f"logitloss eval: {path}: {NOT_OURS}\n")
    assert path.read_text() == "mine"
    code, _, err = run(*scoring(data), "--report", path, "--force")
    assert (code, err) == (0, "")
    assert path.read_bytes() != b"mine"


def test_data_in_parquet_are_not_taken_for_scores(run, data, tmp_path):
    others = tmp_path / "others.parquet"
    shutil.copy(data, others)
    code, _, err = run(*scoring(data), "--report", others)
    assert (code, NOT_OURS in err) == (2, True)


def test_a_merged_state_replaces_a_state_or_by_force(run, data, tmp_path):
    score(data, logits="x", labels="z", state=tmp_path / "a.state")
    kept = tmp_path / "sum.state"
    for _ in range(2):
        assert run("merge", tmp_path / "a.state", "--state", kept)[0] == 0
    kept.write_text("mine")
    assert run("merge", tmp_path / "a.state", "--state", kept) == (2, "", f"logitloss merge: {kept}: {NOT_OURS}\n")
    assert kept.read_text() == "mine"
    assert run("merge", tmp_path / "a.state", "--state", kept, "--force")[0] == 0
    assert run("merge", kept)[0] == 0


def test_an_empty_file_holds_nothing(data, tmp_path, run):
    (tmp_path / "new.html").touch()
    assert run(*scoring(data), "--report", tmp_path / "new.html")[0] == 0


def test_with_a_query_nothing_is_forced(run, data, tmp_path):
    pytest.importorskip("duckdb")
    query = ["eval", "--sql", f"from '{data}'", "--logits", "x", "--labels", "z", "--report"]
    code, _, err = run(*query, data, "--force")
    assert (code, "which files --sql reads is not known here" in err) == (2, True)
    code, _, err = run(*query, data)
    assert (code, NOT_OURS in err) == (2, True)
    assert run(*query, tmp_path / "new.html")[0] == 0
