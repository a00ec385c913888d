"""What the library takes from its process and leaves as it was: environment variables, the floating-point mode."""

import ctypes
import os
import subprocess

import numpy as np
import pytest

import logitloss

from ..inputs import sample
from ..oracle import DTYPES
from ..processes import run
from .support import UFUNCS, assert_same, outputs

# --- the environment -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variable", "value", "text"),
    [
        ("LOGITLOSS_ISA", "sse9", "LOGITLOSS_ISA: expected an instruction set of this processor (baseline"),
        ("LOGITLOSS_ISA", "sse9", "got 'sse9'. Unset it to let logitloss choose the best."),
        (
            "LOGITLOSS_NUM_THREADS",
            "many",
            "LOGITLOSS_NUM_THREADS: expected a number of threads from 1 to 65536, got 'many'. Unset",
        ),
        ("LOGITLOSS_NUM_THREADS", "0", "got '0'"),
        ("LOGITLOSS_NUM_THREADS", "99999999999999999999", "got '99999999999999999999'"),
    ],
)
def test_overrides_that_cannot_be_met(variable, value, text):
    got = run("import logitloss", **{variable: value})
    assert got.returncode == 1
    assert text in got.stderr


def test_overrides():
    assert run("import logitloss; print(logitloss.get_num_threads())", LOGITLOSS_NUM_THREADS="7").stdout == "7\n"
    assert (
        run("import logitloss; print(logitloss.get_num_threads())", LOGITLOSS_NUM_THREADS="").stdout.strip().isdigit()
    )
    for isa in logitloss._core.isas():
        assert run("import logitloss; print(logitloss._core.isa())", LOGITLOSS_ISA=isa).stdout == isa + "\n"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot bind a process to processors")
def test_the_default_is_what_the_process_may_use():
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import logitloss; print(logitloss.get_num_threads())"
    assert run(code, LOGITLOSS_NUM_THREADS="").stdout == "1\n"


# --- the floating-point mode -----------------------------------------------------------------------------------------


SSE = {"nearest": 0, "down": 0x2000, "up": 0x4000, "to zero": 0x6000, "flush to zero": 0x8040}


@pytest.fixture(scope="module")
def mxcsr(tmp_path_factory):
    """Functions that read and write the control word of the calling thread."""
    folder = tmp_path_factory.mktemp("mxcsr")
    source = folder / "mxcsr.c"
    source.write_text(
        "#include <immintrin.h>\nunsigned get(void) { return _mm_getcsr(); }\nvoid set(unsigned m) { _mm_setcsr(m); }\n"
    )
    try:
        subprocess.run(["cc", "-shared", "-fPIC", "-o", folder / "mxcsr.so", source], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no C compiler for an x86-64 processor")
    library = ctypes.CDLL(str(folder / "mxcsr.so"))
    before = library.get()
    yield library
    library.set(before)


@pytest.mark.parametrize("mode", SSE)
@pytest.mark.parametrize("n", [100, 300_000], ids=["one thread", "threads"])
def test_the_callers_mode_is_neither_obeyed_nor_changed(mxcsr, mode, n):
    for dtype in DTYPES:
        x, z = sample(n, dtype)
        x[:5] = np.array([-95, 95, 88, -87, 103], dtype)  # subnormal results in float32
        want = outputs(UFUNCS[2], x, z), logitloss.ExactSum(np.nan_to_num(x.astype(np.float64), posinf=1))
        values = np.nan_to_num(x.astype(np.float64), posinf=1)
        standard = mxcsr.get()
        mxcsr.set(0x1F80 | SSE[mode])
        try:
            got = outputs(UFUNCS[2], x, z), logitloss.ExactSum(values)
            after = mxcsr.get()
        finally:
            mxcsr.set(standard)
        assert after == 0x1F80 | SSE[mode]  # no flag was raised either
        assert_same(got[0], want[0])
        assert got[1] == want[1]


def test_no_stray_floating_point_errors():
    """Overflow to infinity is a result here, not an event, as are the infinite losses at infinite logits."""
    for dtype in DTYPES:
        x, z = sample(5000, dtype)
        x[:3], z[:3] = np.array([np.inf, -np.inf, 3e4], dtype), np.array([0.5, 1, -2], dtype)
        with np.errstate(all="raise"):
            for ufunc in UFUNCS:
                outputs(ufunc, x, z)
    with np.errstate(all="raise"):
        assert logitloss.sigmoid_cross_entropy_with_logits(labels=np.float32(-1), logits=np.float32(3e38)) == np.inf
