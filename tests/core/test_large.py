"""Arrays beyond 2^31 elements, and memory that runs out."""

import os
import sys

import numpy as np
import pytest

import logitloss

from ..processes import run


def free_memory():
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 0


@pytest.mark.skipif(free_memory() < 16 * 2**30, reason="needs 16 GiB of free memory")
def test_more_than_2_to_the_31_elements():
    n = 2**31 + 5
    x = np.zeros(n, np.float16)
    x[-3:] = [-17, 1, 11]
    z = np.broadcast_to(np.float16(1), n)
    got = logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)
    np.testing.assert_array_equal(got[-3:], np.float16([17, 0.3132617, 1.67e-5]))
    assert (got[: n - 3 : 100_003] == np.float16(0.6931472)).all()
    del x, got
    total = logitloss.sigmoid_cross_entropy_total(labels=z, logits=np.broadcast_to(np.float16(-1), n))
    assert total.count == n
    assert total.compute() == n * float(np.float16(1.3132617))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit on a process's memory")
def test_no_memory_is_left():
    """For the segments of a long row: an error of Python's, and the next call is fine."""
    code = """
import resource
import numpy as np, logitloss
x, y, loss = np.broadcast_to(1.0, (1, 1 << 24)), np.zeros(1, int), np.zeros(1)
call = lambda: logitloss.ufuncs.sparse_softmax_cross_entropy(x, y, out=loss)
resource.setrlimit(resource.RLIMIT_AS, (resource.getpagesize(), resource.RLIM_INFINITY))
try:
    call()
except MemoryError:
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
call()
print(loss[0] == 24 * np.log(2))
"""
    got = run(code)
    assert got.stdout == "MemoryError\nTrue\n", got.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory from /proc")
def test_reductions_allocate_nothing_that_grows():
    code = """
import resource, numpy as np, logitloss
x, z = np.zeros(1 << 25, np.float32), np.zeros(1 << 25, bool)
x[:] = 1; z[:] = True
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak()
logitloss.sigmoid_cross_entropy_total(labels=z, logits=x)
logitloss.ExactSum(x)
print(peak() - before)
"""
    assert int(run(code).stdout) < 8_000  # KiB; the inputs have 160 MiB
