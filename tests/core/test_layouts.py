"""Same bits for a value whatever its position, length, stride, alignment, byte order, threads and instruction set."""

import hashlib
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import logitloss
from logitloss import ufuncs

from .. import ROOT, oracle
from ..inputs import sample
from ..oracle import DTYPES, bits
from .support import UFUNCS, assert_same, outputs


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ufunc", UFUNCS)
def test_every_length_and_position(ufunc, dtype):
    x, z = sample(600, dtype)
    want = outputs(ufunc, x, z)
    for length in range(258):
        start = (length * 7) % 300
        part = slice(start, start + length)
        assert_same(outputs(ufunc, x[part], z[part]), [w[part] for w in want])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_alignment(dtype):
    x, z = sample(100, dtype)
    want = outputs(UFUNCS[2], x, z)
    memory = np.zeros(100 * dtype.itemsize + 64, np.uint8)
    for offset in range(64):
        shifted = memory[offset : offset + x.nbytes].view(dtype)
        shifted[...] = x
        assert_same(outputs(UFUNCS[2], shifted, z), want)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ufunc", UFUNCS)
def test_strides(ufunc, dtype):
    x, z = sample(4096, dtype)
    want = outputs(ufunc, x, z)
    assert_same(outputs(ufunc, x[::-1], z[::-1]), [w[::-1] for w in want])
    assert_same(outputs(ufunc, x[::3], z[::3]), [w[::3] for w in want])
    assert_same(outputs(ufunc, x[::-7], z[::-7]), [w[::-7] for w in want])
    square = x.reshape(64, 64)
    assert_same(outputs(ufunc, square.T, z.reshape(64, 64).T), [w.reshape(64, 64).T for w in want])
    assert_same(outputs(ufunc, np.asfortranarray(square), z.reshape(64, 64)), [w.reshape(64, 64) for w in want])
    repeated = np.broadcast_to(x[:, None], (4096, 3))  # stride 0
    assert_same(
        outputs(ufunc, repeated, np.broadcast_to(z[:, None], (4096, 3))), [np.repeat(w[:, None], 3, 1) for w in want]
    )
    record = np.zeros(4096, [("pad", "u1"), ("x", dtype), ("z", dtype)])  # misaligned and strided
    record["x"], record["z"] = x, z
    assert_same(outputs(ufunc, record["x"], record["z"]), want)


@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != oracle.BFLOAT16], ids=str)
@pytest.mark.parametrize("ufunc", UFUNCS)
def test_byte_order_read_only_and_memmap(ufunc, dtype, tmp_path):
    x, z = sample(3000, dtype)
    want = outputs(ufunc, x, z)
    assert_same(outputs(ufunc, x.astype(dtype.newbyteorder(">")), z.astype(dtype.newbyteorder(">"))), want)
    x.flags.writeable = z.flags.writeable = False
    assert_same(outputs(ufunc, x, z), want)
    x.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype, "r")
    assert_same(outputs(ufunc, mapped, z), want)


def test_reductions_take_any_layout():
    x, z = (a.reshape(50, 60) for a in sample(3000, np.float32))
    x = np.nan_to_num(x, posinf=30)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)
    layouts = [
        (x.astype(">f4"), z),
        (np.asfortranarray(x), z.astype(">f4")),
        (x[::-1][::-1], np.asfortranarray(z)),
        (np.repeat(x, 2, 1)[:, ::2], z),
    ]
    for one, other in layouts:
        mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=other, logits=one)
        assert mean == want[0]
        assert gradient.dtype == np.float32
        np.testing.assert_array_equal(gradient, want[1])
        assert logitloss.sigmoid_cross_entropy_total(labels=other, logits=one).mean() == want[0]
    place = np.zeros((60, 50), np.float32).T[::-1]
    assert logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x, out=place)[1] is place
    np.testing.assert_array_equal(place, want[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_threads_change_nothing(dtype, threads):
    n = 8 * 131072 + 77  # enough for eight threads, and a chunk that ends anywhere
    x, z = sample(n, dtype)
    finite = np.nan_to_num(x.astype(np.float64), posinf=9).astype(dtype)
    threads(1)
    want = outputs(UFUNCS[2], x, z)
    total = logitloss.sigmoid_cross_entropy_total(labels=z, logits=finite)
    mean, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=finite)
    for count in range(2, 9):
        threads(count)
        assert logitloss.get_num_threads() == count
        assert_same(outputs(UFUNCS[2], x, z), want)
        assert logitloss.sigmoid_cross_entropy_total(labels=z, logits=finite) == total
        again = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=finite)
        assert again[0] == mean
        assert_same(again[1:], [gradient])


@pytest.mark.parametrize("skipped", [1, 100])
def test_an_output_behind_its_input(skipped, threads):
    """NumPy makes no copy there: whoever goes from the first element to the last has read what he overwrites."""
    threads(4)
    x, z = sample(8 * 131072, np.float32)
    want = ufuncs.sigmoid_cross_entropy(x, z)
    for _ in range(5):
        memory = np.concatenate([np.zeros(skipped, np.float32), x])
        ufuncs.sigmoid_cross_entropy(memory[skipped:], z, out=memory[:-skipped])
        assert_same([memory[:-skipped]], [want])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("skipped", [0, 1])
def test_results_larger_than_the_caches(dtype, skipped, threads):
    """They are written past them, wherever they begin: 16 bytes at a time, and what is left by itself."""
    size = np.dtype(dtype).itemsize
    n = 2**25 // size + 5
    x, z = sample(1001, dtype)
    whole = [np.resize(a, n) for a in (x, z)]
    places = [np.zeros(n + 8, dtype)[skipped:][:n] for _ in range(2)]
    want = outputs(UFUNCS[2], x, z)
    for count in (1, 2):
        threads(count)
        got = outputs(UFUNCS[2], *whole, out=tuple(places))
        for one, place, values in zip(got, places, want, strict=True):
            assert one is place
            assert (bits(place) == np.resize(bits(values), n)).all()
            place.fill(0)


@pytest.mark.parametrize("n", [2 * 131072, 3 * 131072 + 1, 131072 * 4 - 1])
def test_every_element_is_reached_by_some_thread(n, threads):
    for count in (1, 2, 3, 5):
        threads(count)
        got = ufuncs.sigmoid_cross_entropy(np.zeros(n, np.float16), True, out=np.zeros(n, np.float16))
        assert (got == np.float16(math.log(2))).all()
        assert logitloss.ExactSum(np.ones(n)).compute() == n


HASH = """
import sys
sys.path.insert(0, {tests!r})
import logitloss
from tests.core import test_layouts
assert logitloss._core.isa() == {isa!r}, logitloss._core.isa()
print(test_layouts.digest())
"""


def digest():
    """A hash of the results of every ufunc and dtype."""
    h = hashlib.sha256()
    for dtype in DTYPES:
        x, z = sample(100_003, dtype, seed=1)
        for ufunc in UFUNCS:
            for result in outputs(ufunc, x, z):
                h.update(bits(result).tobytes())
        h.update(bits(ufuncs.weighted_sigmoid_cross_entropy(x, z, 2.5)).tobytes())
        h.update(repr(logitloss.ExactSum(ufuncs.sigmoid_cross_entropy(x, z))).encode())
    return h.hexdigest()


@pytest.mark.parametrize("isa", logitloss._core.isas())
def test_every_instruction_set(isa):
    code = HASH.format(tests=str(ROOT), isa=isa)
    run = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "LOGITLOSS_ISA": isa}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == digest()


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_any_shape_stride_and_dtype(data):
    """Equal to the copy, element by element, for whatever views NumPy can make."""
    dtype = data.draw(st.sampled_from(DTYPES))
    label_dtype = data.draw(st.sampled_from([*DTYPES, *map(np.dtype, "?bBhHiIqQ")]))
    shape = data.draw(hnp.array_shapes(max_dims=4, max_side=7, min_side=0))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x = (rng.normal(size=shape) * 2.0 ** rng.integers(-5, 8, shape)).astype(dtype)
    z = rng.integers(0, 2, shape).astype(label_dtype)
    if min(shape, default=1) > 0:
        index = data.draw(hnp.basic_indices(shape, min_dims=0, allow_newaxis=True))
        x, z = np.asarray(x[index]), np.asarray(z[index])
    order = data.draw(st.permutations(range(x.ndim)))
    x, z = x.transpose(order), z.transpose(order)
    got = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    flat = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z.ravel(), logits=x.ravel())
    for one, other in zip(got, flat, strict=True):
        assert one.shape == x.shape
        assert one.dtype == dtype
        np.testing.assert_array_equal(bits(one).ravel(), bits(other))
