"""No access beyond an array: operands that begin or end at a page that nobody may touch.

What lies on the stack has no such page: there the results tell, which would be others than those of each row alone.
"""

import ctypes
import itertools
import mmap
import os
import subprocess
import sys

import numpy as np
import pytest

import logitloss
from logitloss import ufuncs

from .. import ROOT
from ..inputs import sample
from ..oracle import DTYPES, bits
from .support import UFUNCS, assert_same, outputs

CAPACITY = 1 << 25
BEFORE, AFTER = 0, 1


class Fence:
    """Memory between two pages that nobody may touch, for one array at a time."""

    def __init__(self):
        page = mmap.PAGESIZE
        self.map = mmap.mmap(-1, CAPACITY + 2 * page)
        start = ctypes.addressof(ctypes.c_char.from_buffer(self.map))
        protect = ctypes.CDLL(None, use_errno=True).mprotect
        protect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        for place in (start, start + page + CAPACITY):
            assert protect(place, page, 0) == 0, os.strerror(ctypes.get_errno())
        self.memory = np.frombuffer(self.map, np.uint8, CAPACITY, page)

    def hold(self, values, side):
        """A copy that begins right after the first page, or ends right before the second."""
        place = slice(values.nbytes) if side == BEFORE else slice(CAPACITY - values.nbytes, None)
        held = self.memory[place].view(values.dtype).reshape(values.shape)
        held[...] = values
        return held


def check_between_fences(ufunc, inputs, want, fences, side):
    held = [fence.hold(np.asarray(a), side) for fence, a in zip(fences, (*inputs, *want), strict=False)]
    places = held[len(inputs) :]
    for place in places:
        place.fill(7)
    ufunc(*held[: len(inputs)], out=tuple(places))
    assert_same(places, want)


def elementwise(fences):
    for dtype, ufunc in itertools.product(DTYPES, UFUNCS):
        x, z = sample(1100, dtype)
        want = outputs(ufunc, x, z)
        for n in (*range(1, 70), 511, 512, 513, 1023, 1100):
            for side in (BEFORE, AFTER):
                check_between_fences(ufunc, (x[:n], z[:n]), [w[:n] for w in want], fences, side)


def past_the_caches(fences):
    """Results as large as the caches are written past them, in whole lines where there are any."""
    for dtype in (np.float16, np.float64):
        n = CAPACITY // 2 // np.dtype(dtype).itemsize + 5
        x, z = (np.resize(a, n) for a in sample(1001, dtype))
        want = outputs(UFUNCS[2], x[:1001], z[:1001])
        for side in (BEFORE, AFTER):
            inputs = fences[0].hold(x, side), fences[1].hold(z, side)
            places = tuple(fences[k].hold(np.zeros(n, dtype), side) for k in (2, 3))
            UFUNCS[2](*inputs, out=places)
            for place, values in zip(places, want, strict=True):
                assert (bits(place) == np.resize(bits(values), n)).all()


def softmax(fences):
    """Every number of classes that short rows may have, so that they share each kind of tile, and some longer ones."""
    rng = np.random.default_rng(5)
    for dtype in DTYPES:
        for classes in (*range(1, 71), 513, 2049):
            rows = 70 if classes <= 70 else 3
            x = (rng.normal(size=(rows, classes)) * rng.choice([1, 10, 100], (rows, 1))).astype(dtype)
            dense, sparse = rng.random(x.shape).astype(dtype), rng.integers(0, classes, rows)
            for ufunc, labels in (
                (ufuncs.softmax_cross_entropy_value_and_grad, dense),
                (ufuncs.sparse_softmax_cross_entropy_value_and_grad, sparse),
            ):
                alone = [ufunc(x[i], labels[i]) for i in range(rows)]
                want = [np.array([one[k] for one in alone], dtype) for k in (0, 1)]
                for side, count in ((BEFORE, rows), (AFTER, rows), (AFTER, min(rows, 1 + classes % 9))):
                    results = [w[:count] for w in want]
                    check_between_fences(ufunc, (x[:count], labels[:count]), results, fences, side)


def walk():
    fences = [Fence() for _ in range(4)]
    elementwise(fences)
    past_the_caches(fences)
    softmax(fences)


def run(isa, statement):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from tests.core import test_memory; {statement}"
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LOGITLOSS_ISA": isa}, capture_output=True, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
@pytest.mark.parametrize("isa", logitloss._core.isas())
def test_nothing_beyond_an_array_is_touched(isa):
    done = run(isa, "test_memory.walk()")
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="needs mprotect")
def test_the_test_of_fences_can_fail():
    for beyond in ("-1", "test_memory.CAPACITY"):
        read = f"import ctypes; f = test_memory.Fence(); ctypes.string_at(f.memory.ctypes.data + {beyond}, 1)"
        assert run("", read).returncode < 0  # a signal
