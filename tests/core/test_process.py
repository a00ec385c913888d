"""What the library does to its process: imports, floating-point mode, signals of floating point, forks, threads."""

import ast
import ctypes
import os
import pathlib
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import logitloss

from .. import ROOT
from ..oracle import DTYPES, bits
from .test_layouts import UFUNCS, assert_same, outputs, sample

SOURCE = pathlib.Path(logitloss.__file__).parent
CORE = ROOT / "cpp"
FRAMEWORKS = {
    "torch",
    "triton",
    "jax",
    "jaxlib",
    "tensorflow",
    "keras",
    "sklearn",
    "xgboost",
    "lightgbm",
    "catboost",
    "cupy",
}
UNNEEDED = FRAMEWORKS | {"pyarrow", "typer", "rich", "scipy", "pandas", "dask", "xarray", "ml_dtypes", "matplotlib"}


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={**os.environ, **environment}, capture_output=True, text=True
    )


# --- imports ---------------------------------------------------------------------------------------------------------


def imported_by(statement):
    """The packages that a statement brings into a fresh interpreter."""
    got = run(f"import sys, numpy\n{statement}\nprint(*{{name.partition('.')[0] for name in sys.modules}})")
    assert got.stderr == ""
    return set(got.stdout.split())


def test_import_needs_numpy_alone():
    assert not imported_by("import logitloss") & UNNEEDED


def test_the_import_test_can_fail():
    assert imported_by("import logitloss, pyarrow") & UNNEEDED == {"pyarrow"}


def test_import_adds_few_modules():
    """A time is no test on a busy machine; the modules that take it are."""
    code = "import sys, numpy; before = set(sys.modules); import logitloss; print(*sorted(set(sys.modules) - before))"
    added = [name for name in run(code).stdout.split() if not name.startswith("logitloss")]
    assert len(added) < 5, added


def imports_of(path):
    """The top packages that a source file imports, whether at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield (node.module or "").partition(".")[0]


# A framework is imported in its own file alone; the command line, its reports, meter and bench are the outermost ring.
OUTER = ("cli.py", "_terminal.py", "evaluate", "accuracy", "bench")
OF_A_FRAMEWORK = {"torch/_triton.py": {"torch", "triton"}}  # kernels on its tensors, imported by its adapter alone


def ring_breaches(root):
    for path in root.rglob("*.py"):
        place = path.relative_to(root).as_posix()
        if not place.startswith(OUTER):
            # torch.py, _torch.py, or a file in torch/
            own = {place.partition("/")[0].removesuffix(".py").lstrip("_"), *OF_A_FRAMEWORK.get(place, ())}
            yield from (f"{place} imports {name}" for name in set(imports_of(path)) & UNNEEDED - own)


def test_rings():
    assert list(ring_breaches(SOURCE)) == []


def test_the_ring_test_can_fail(tmp_path):
    (tmp_path / "losses.py").write_text("def f():\n    import torch.nn\n    from jax import numpy\n")
    (tmp_path / "jax.py").write_text("import jax\n")
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "losses.py").write_text("import torch\nimport jax\n")
    breaches = ["losses.py imports jax", "losses.py imports torch", "torch/losses.py imports jax"]
    assert sorted(ring_breaches(tmp_path)) == breaches


def cpp_breaches(root):
    """Maths files see no pointers and no Python, loops no Python; only the binding files see objects."""
    for path in root.rglob("*.[ch]*"):
        text, place = path.read_text(), path.relative_to(root).as_posix()
        binding = place.startswith("binding/")
        if not binding and ("Python.h" in text or "nanobind" in text or "numpy" in text):
            yield f"{place} sees Python"
        if place.startswith("math/") and ("char*" in text or "logitloss.h" in text):
            yield f"{place} sees pointers"


def test_rings_of_the_core():
    assert list(cpp_breaches(CORE)) == []


def test_the_ring_test_of_the_core_can_fail(tmp_path):
    (tmp_path / "math").mkdir()
    (tmp_path / "math" / "exp.h").write_text('#include "logitloss.h"\n')
    (tmp_path / "loops.h").write_text("#include <Python.h>\n")
    assert sorted(cpp_breaches(tmp_path)) == ["loops.h sees Python", "math/exp.h sees pointers"]


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


# --- threads and forks -----------------------------------------------------------------------------------------------


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
    """A fork waits for the shares under way; what other threads had begun is finished in the parent."""
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


# --- size and memory -------------------------------------------------------------------------------------------------


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
