"""Threads beside the library's own, and forks."""

import os
import sys
import threading
import time

import numpy as np
import pytest

import logitloss

from ..inputs import sample
from ..oracle import bits
from ..processes import run
from .support import UFUNCS, outputs


def test_concurrent_calls():
    x, z = sample(200_000, np.float32)
    want = outputs(UFUNCS[2], x, z)
    failures = []

    def work():
        for _ in range(3):
            got = outputs(UFUNCS[2], x, z)
            if any((bits(g) != bits(w)).any() for g, w in zip(got, want, strict=True)):
                failures.append(1)

    workers = [threading.Thread(target=work) for _ in range(16)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures


PLAIN, VIEW = np.ones(1 << 22), np.broadcast_to(1.0, 1 << 24)
CALLS = {
    "loss": lambda: logitloss.sigmoid_cross_entropy_with_logits(labels=PLAIN, logits=PLAIN),
    "gradient": lambda: logitloss.sigmoid_cross_entropy_value_and_grad(labels=PLAIN, logits=PLAIN),
    "total": lambda: logitloss.sigmoid_cross_entropy_total(labels=VIEW, logits=VIEW),
    "sum": lambda: logitloss.ExactSum(VIEW),
    "softmax": lambda: logitloss.softmax_cross_entropy_with_logits(labels=PLAIN[None], logits=PLAIN[None]),
}


@pytest.mark.parametrize("call", CALLS)
def test_other_threads_run_during_a_call(call):
    """A thread that sleeps a tenth of a millisecond at a time wakes in the middle of calls of ten milliseconds."""
    woken, done, before = [], threading.Event(), logitloss.get_num_threads()

    def tick():
        while not done.is_set():
            time.sleep(1e-4)
            woken.append(time.perf_counter())

    ticking = threading.Thread(target=tick)
    logitloss.set_num_threads(1)
    ticking.start()
    try:
        for _ in range(10):
            start = time.perf_counter()
            CALLS[call]()
            end = time.perf_counter()
            if any(start + (end - start) / 4 < t < end - (end - start) / 4 for t in woken):
                break
        else:
            pytest.fail("no other thread ran")
    finally:
        done.set()
        ticking.join()
        logitloss.set_num_threads(before)


def test_the_test_of_other_threads_can_fail(monkeypatch):
    monkeypatch.setitem(CALLS, "busy", lambda: sum(range(1 << 23)))  # one call of Python's own
    with pytest.raises(pytest.fail.Exception, match="no other thread ran"):
        test_other_threads_run_during_a_call("busy")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_fork_after_a_threaded_call():
    """A hundred children, each of which uses threads again."""
    code = """
import os, signal, warnings
import numpy as np, logitloss
logitloss.set_num_threads(4)
x = np.linspace(-9, 9, 4 * 131072, dtype=np.float32)
want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=x > 0, logits=x)[0]
for _ in range(100):
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(logitloss.sigmoid_cross_entropy_mean_and_grad(labels=x > 0, logits=x)[0] != want)
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""
    got = run(code)
    assert got.stdout == "done\n", got.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads in /proc")
def test_no_worker_is_there_when_the_process_forks():
    """Not in the child, and not in the parent either, whom Python would warn of threads; both start them again."""
    code = """
import os
import numpy as np, logitloss
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
logitloss.set_num_threads(4)
x = np.linspace(-9, 9, 4 * 131072, dtype=np.float32)
call = lambda: logitloss.ufuncs.sigmoid_cross_entropy(x, x > 0, out=x.copy())
call()
assert threads() == before + 3, threads()
child = os.fork()
assert threads() == (before if child else 1), threads()
call()
assert threads() == (before if child else 1) + 3, threads()
if not child:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print("done")
"""
    got = run(code, OPENBLAS_NUM_THREADS="1")
    assert got.stdout == "done\n", got.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_forks_while_other_threads_compute():
    """A fork waits for the chunks under way; what other threads had begun is finished in the parent."""
    code = """
import os, signal, threading
import numpy as np, logitloss
logitloss.set_num_threads(3)
x = np.linspace(-9, 9, 10**6, dtype=np.float32)
mean = lambda: logitloss.sigmoid_cross_entropy_mean_and_grad(labels=x > 0, logits=x)[0]
want, wrong, end = mean(), [], threading.Event()
def work():
    while not end.is_set():
        wrong.extend([1] * (mean() != want))
others = [threading.Thread(target=work) for _ in range(4)]
[other.start() for other in others]
for _ in range(30):
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(mean() != want)
    assert os.waitpid(child, 0)[1] == 0
end.set()
[other.join() for other in others]
assert not wrong
print("done")
"""
    got = run(code)
    assert got.stdout == "done\n", got.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit on a process's memory")
def test_no_thread_can_be_started():
    """The caller does all of it, with the same bits."""
    code = """
import os, resource
import numpy as np, logitloss
threads = len(os.listdir("/proc/self/task"))
x = np.linspace(-9, 9, 8 * 131072)
z = x > 0
logitloss.set_num_threads(1)
want = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
logitloss.set_num_threads(8)
resource.setrlimit(resource.RLIMIT_AS, (resource.getpagesize(), resource.RLIM_INFINITY))
logitloss.ufuncs.sigmoid_cross_entropy(x, z, out=x)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert (x == want).all()
assert len(os.listdir("/proc/self/task")) == threads
print("done")
"""
    got = run(code)
    assert got.stdout == "done\n", got.stderr
