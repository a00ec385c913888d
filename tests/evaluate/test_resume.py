"""Runs that stop and go on, and runs that are added: the same bits, and nothing counted twice."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from logitloss.cli import app
from logitloss.evaluate import InputError, merge, score
from logitloss.evaluate.input import read
from logitloss.evaluate.state import resume

COLUMNS = {"logits": "x", "labels": "z", "by": ["key"]}


def write(path, n=2000, seed=0, **more):
    r = np.random.default_rng(seed)
    table = {"x": r.normal(size=n).astype(np.float32), "z": r.random(n) < 0.4, "key": r.choice(["a", "b", None], n)}
    pa.parquet.write_table(pa.table({**table, **more}), path, row_group_size=100)
    return path


@pytest.fixture
def files(tmp_path):
    return [write(tmp_path / f"{i}.parquet", seed=i) for i in range(4)]


def error(*args, **kwargs):
    with pytest.raises(InputError) as caught:
        score(*args, **{**COLUMNS, **kwargs})
    return str(caught.value)


def test_a_state_holds_what_was_scored(tmp_path, files):
    state = tmp_path / "run.parquet"
    want = score(files, **COLUMNS)
    assert score(files, **COLUMNS, state=state) == want
    assert score(files, **COLUMNS, state=state) == want  # all from the file
    assert merge(state) == want
    assert os.stat(state).st_mode & 0o777 == 0o666 & ~_umask()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def _umask():
    old = os.umask(0)
    os.umask(old)
    return old


def test_what_is_done_is_not_read_again(tmp_path, files, monkeypatch):
    state, read_parts = tmp_path / "run.parquet", []
    monkeypatch.setattr(read, "PART_ROWS", 500)
    scan = read._read
    monkeypatch.setattr(read, "_read", lambda piece, *rest: read_parts.extend(piece.parts) or scan(piece, *rest))
    score(files[:2], **COLUMNS, state=state)
    assert len(read_parts) == 8
    read_parts.clear()
    assert score(files, **COLUMNS, state=state).sources == tuple(map(str, files))
    assert len(read_parts) == 8
    assert merge(state) == score(files, **COLUMNS)


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_run_that_fails_in_the_middle_goes_on(tmp_path, files, monkeypatch, stop):
    state, want = tmp_path / "run.parquet", score(files, **COLUMNS)
    monkeypatch.setattr(read, "PART_ROWS", 700)
    monkeypatch.setattr(read, "BATCH_ROWS", 100)
    scan, pieces = read._read, []

    def failing(piece, *rest):
        pieces.append(piece)
        for i, batch in enumerate(scan(piece, *rest)):
            if len(pieces) == stop and i == 1:
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(read, "_read", failing)
    with pytest.raises(KeyboardInterrupt):
        score(files, **COLUMNS, state=state)
    assert state.exists() == (stop > 1)
    monkeypatch.setattr(read, "_read", scan)
    assert score(files, **COLUMNS, state=state) == want
    assert merge(state) == want


STUCK = """
import itertools, sys, time
from logitloss.evaluate import score
from logitloss.evaluate.input import read
from logitloss.evaluate.state import resume
read.PART_ROWS, resume._WAIT = 500, 0  # the file is written after each part
scan, started = read._read, itertools.count()
def three_parts(*arguments):
    if next(started) >= 3:
        time.sleep(600)
    yield from scan(*arguments)
read._read = three_parts
score(sys.argv[2:], logits="x", labels="z", by=["key"], state=sys.argv[1])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_process_goes_on_with_the_same_bits(tmp_path, files, monkeypatch):
    monkeypatch.setattr(read, "PART_ROWS", 500)  # parts are numbered, so they must be cut alike
    state, want = tmp_path / "run.parquet", score(files, **COLUMNS)
    for done in (2, 4, 6):  # each run gets at most three parts further, and goes on where the one before was killed
        with subprocess.Popen([sys.executable, "-c", STUCK, state, *files]) as process:
            limit = time.monotonic() + 60
            while time.monotonic() < limit and not (state.exists() and _parts(state) >= done):
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait(60) == -signal.SIGKILL
        assert done <= _parts(state) < 16
    assert score(files, **COLUMNS, state=state) == want
    assert _parts(state) == 16


def _parts(state):
    return sum(len(one.done) for one in resume.Run.load(state).sources.values())


def test_states_of_parts_add_up_to_the_whole(tmp_path, files, capsys):
    want = score(files, **COLUMNS)
    states = [tmp_path / f"state{i}" for i in range(4)]
    for file, state in zip(files, states, strict=True):
        score(file, **COLUMNS, state=state)
    pair = tmp_path / "pair"
    merge(states[2:], state=pair)
    got = merge([states[1], pair, states[0]])
    assert got == want
    assert sorted(got.sources) == sorted(want.sources)
    with pytest.raises(SystemExit) as exit:
        app(["merge", *map(str, states), "--format", "json"], prog_name="logitloss")
    assert exit.value.code == 0
    assert f'"mean_loss": {want.overall.mean_loss!r}' in capsys.readouterr().out


def test_only_what_belongs_together_is_added(tmp_path, files):
    def state(name, inputs, **columns):
        score(inputs, **{**COLUMNS, **columns}, state=tmp_path / name)
        return tmp_path / name

    def refused(*paths):
        with pytest.raises(InputError) as caught:
            merge(paths)
        return str(caught.value)

    a, b, c = state("a", files[:2]), state("b", files[1:]), state("c", files[2:], by=[])
    assert refused(a, b) == f"{b}: holds {files[1]}, which another of the files holds too; count it once"
    assert refused(a, c) == f'{c}: was scored with by [], expected ["key"]; keep them apart'
    assert refused() == "no states to merge; name at least one"
    run = resume.Run.load(a)
    run.sources[str(files[0])].done.clear()
    run._saved = False
    run.save()
    assert refused(a) == f"{a}: holds 0 of the 1 parts of {files[0]}; finish that run first"


def test_changed_inputs_are_named(tmp_path, files):
    state = tmp_path / "run.parquet"
    score(files[:2], **COLUMNS, state=state)
    kept = files[1].read_bytes()
    write(files[1], seed=9)
    assert error(files, state=state) == (
        f"{files[1]}: changed since {state} was written; restore it, or delete {state} to score everything again"
    )
    times = os.stat(files[1])
    files[1].write_bytes(kept)
    os.utime(files[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "changed since" in error(files, state=state)  # another time alone
    assert error(files[2:], state=state) == (
        f"{state}: holds {files[0]}, which is not among the files; name it too, or another state"
    )
    assert error(files, state=state, by=[]).endswith('was scored with by ["key"], expected []; keep them apart')


def test_what_is_no_state_is_refused(tmp_path, files):
    (tmp_path / "text").write_text("no Parquet")
    got = error(files, state=tmp_path / "text")
    assert got.startswith(f"{tmp_path / 'text'}: is not a state that logitloss wrote: ")
    assert got.endswith("; name another file, or delete this one")
    for refused in (lambda: score(files[1:], **COLUMNS, state=files[0]), lambda: merge(files[0])):
        with pytest.raises(InputError) as raised:
            refused()
        assert (
            str(raised.value) == f"{files[0]}: is not a state that logitloss wrote, but other data; name another file"
        )
    with pytest.raises(InputError) as raised:
        merge(tmp_path / "none")
    assert str(raised.value) == f"{tmp_path / 'none'}: there is no such file; check the path"
    state = tmp_path / "run.parquet"
    score(files, **COLUMNS, state=state)
    table = pa.parquet.read_table(state)
    old = table.replace_schema_metadata(
        {b"logitloss": table.schema.metadata[b"logitloss"].replace(b'"version": 2', b'"version": 1')}
    )
    pa.parquet.write_table(old, state)
    assert error(files, state=state) == f"{state}: was written by another version of logitloss; score its files again"
    table = pa.table({"x": np.float32([1]), "z": [True], "key": ["a"]})
    assert (
        error(table, state=state)
        == "pyarrow.Table: a state is kept of files alone; write it to a file, or use no state"
    )
    assert error([files[0], files[0]], state=tmp_path / "new") == (
        f"{files[0]}: is named twice; each of its rows would count twice, name it once"
    )


def test_every_prefix_of_a_state_is_refused(tmp_path, files):
    state = tmp_path / "run.parquet"
    score(files[0], logits="x", labels="z", state=state)
    content = state.read_bytes()
    for size in range(0, len(content), 97):
        state.write_bytes(content[:size])
        with pytest.raises(InputError, match="is not a state that logitloss wrote"):
            merge(state)


def test_a_state_that_cannot_be_written(tmp_path, files):
    assert error(files, state=tmp_path / "none" / "run.parquet") == (
        f"{tmp_path}/none/run.parquet: cannot be written: No such file or directory; "
        "name another file, or make its folder"
    )


def test_the_state_of_many_groups_is_written_seldom_enough(tmp_path, files, monkeypatch):
    saves = []
    monkeypatch.setattr(resume.Run, "save", lambda self: saves.append(len(self.sources[str(files[0])].done)))
    monkeypatch.setattr(read, "PART_ROWS", 500)
    run = resume.Run.add

    def add(self, *args):
        self._next_save = time.monotonic() + (0 if len(saves) < 2 else 60)
        run(self, *args)

    monkeypatch.setattr(resume.Run, "add", add)
    score(files[0], **COLUMNS, state=tmp_path / "s")
    assert saves == [1, 2, 4]  # the last when the run ends
