"""Other places to do the work: threads, processes, a cluster of which a part dies. The bits are always the same."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from logitloss.evaluate import InputError, score
from logitloss.evaluate.input import read

COLUMNS = {"logits": "x", "labels": "z", "by": ["key"]}


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "PART_ROWS", 500)
    for i in range(3):
        r, n = np.random.default_rng(i), 3000
        table = {"x": r.normal(size=n).astype(np.float32), "z": r.random(n) < 0.4, "key": r.choice(["a", "b"], n)}
        pa.parquet.write_table(pa.table(table), tmp_path / f"{i}.parquet", row_group_size=250)
    return [tmp_path / f"{i}.parquet" for i in range(3)]


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_threads_of_this_process(files, threads, monkeypatch):
    want = score(files, **COLUMNS)
    monkeypatch.setattr("logitloss.get_num_threads", lambda: threads)
    assert score(files, **COLUMNS) == want


def test_any_executor(files):
    want, calls = score(files, **COLUMNS), []
    with ThreadPoolExecutor(3) as threads:
        assert score(files, **COLUMNS, executor=threads) == want
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        assert score(files, **COLUMNS, executor=processes, progress=lambda *call: calls.append(call)) == want
    assert len(calls) == 18
    assert calls == sorted(calls)
    assert calls[-1] == (9000, 1)


def test_an_executor_keeps_a_state_too(files, tmp_path):
    want = score(files, **COLUMNS)
    with ThreadPoolExecutor(2) as threads:
        score(files[:2], **COLUMNS, executor=threads, state=tmp_path / "run")
        assert score(files, **COLUMNS, executor=threads, state=tmp_path / "run") == want


def test_errors_come_back_as_they_are(files):
    pa.parquet.write_table(pa.table({"x": np.float32([1, np.nan]), "z": [0, 1], "key": ["a", "b"]}), files[1])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as processes:
        with pytest.raises(InputError, match=r"1.parquet: column 'x', row 2 .*: got nan, expected a number"):
            score(files, **COLUMNS, executor=processes)
        with pytest.raises(InputError) as caught:
            score(pa.table({"x": np.float32([1]), "z": [0]}), logits="x", labels="z", executor=processes)
    assert str(caught.value) == "pyarrow.Table: cannot be sent to an executor; write it to a file, or use no executor"


@contextlib.contextmanager
def process(*command, ready):
    """A process of a cluster, once it has said that it is ready; gives it and what it said."""
    with subprocess.Popen(
        [sys.executable, "-m", *command], stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as started:
        try:
            for line in started.stderr:
                if found := re.search(ready, line):
                    yield started, found
                    break
            else:
                raise AssertionError("it ended before it was ready")
        finally:
            started.kill()


WORKER = """
import sys, time
from logitloss.evaluate.input import read
scan = read._read
def slowly(*arguments):
    for batch in scan(*arguments):
        time.sleep(0.05)
        yield batch
read._read = slowly
from distributed.cli.dask_worker import main
main()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_dask_cluster_of_which_a_worker_is_killed(files, tmp_path):
    """A real scheduler and two worker processes over TCP; one is killed while it works."""
    distributed = pytest.importorskip("distributed")
    want = score(files, **COLUMNS)
    (tmp_path / "slow_worker.py").write_text(WORKER)
    scheduler = ["distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    worker = ["--nthreads", "1", "--no-dashboard", "--no-nanny", "--local-directory", str(tmp_path)]
    with contextlib.ExitStack() as stack:
        _, found = stack.enter_context(process(*scheduler, ready=r"Scheduler at:\s+(tcp://\S+)"))
        address = found[1]
        environment = os.environ.get("PYTHONPATH", "")
        os.environ["PYTHONPATH"] = os.pathsep.join([str(tmp_path), environment])
        stack.callback(os.environ.__setitem__, "PYTHONPATH", environment)
        first, _ = stack.enter_context(
            process("slow_worker", address, *worker, ready="Starting established connection")
        )
        stack.enter_context(process("slow_worker", address, *worker, ready="Starting established connection"))
        client = stack.enter_context(distributed.Client(address, set_as_default=False))
        client.wait_for_workers(2, timeout=30)
        shares, killed = [], []

        def progress(rows, share):
            shares.append(rows)
            if rows >= 2000 and not killed:
                first.send_signal(signal.SIGKILL)
                killed.append(first.wait(30))

        assert score(files, **COLUMNS, executor=client.get_executor(), progress=progress) == want
        assert killed == [-signal.SIGKILL]
        assert shares == list(range(500, 9001, 500))
        limit = time.monotonic() + 30
        while len(client.scheduler_info()["workers"]) != 1 and time.monotonic() < limit:
            time.sleep(0.1)
        assert len(client.scheduler_info()["workers"]) == 1  # it was really gone, and the other did its work
        options = "--logits x --labels z --by key --format json --dask"
        done = subprocess.run(
            [sys.executable, "-m", "logitloss", "eval", *files, *options.split(), address],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert f'"mean_loss": {want.overall.mean_loss!r}' in done.stdout


def test_no_scheduler_is_an_error(files, capsys):
    pytest.importorskip("distributed")
    from logitloss.cli import app

    with pytest.raises(SystemExit) as exit:
        app(["eval", str(files[0]), "--logits", "x", "--labels", "z", "--dask", "nowhere"], prog_name="logitloss")
    assert exit.value.code == 2
    assert capsys.readouterr().err.startswith("logitloss eval: --dask nowhere: no scheduler answers there: ")
