"""The benchmark: results are verified before they are timed, rounds are interleaved, reports keep what was measured."""

import csv
import importlib.util
import io
import json
import subprocess
import sys

import numpy as np
import pytest

import logitloss
from logitloss import bench
from logitloss.bench import Case, Plan, Row, WrongResult, cases, contenders, engine, limit, process, report
from logitloss.bench.frameworks import Prepared

from .. import ROOT
from ..oracle import BFLOAT16

SMALL = [
    Case(op, dtype, labels, (1000,))
    for op in ("forward", "mean", "mean_and_grad", "grad_and_hess", "call")
    for dtype, labels in [("float32", "hard"), ("float64", "soft"), ("float16", "hard"), ("float32", "bool")]
]
SMALL += [Case(op, "float32", "class", (30, 7)) for op in ("sparse_forward", "sparse_mean_and_grad")]


def contender(name):
    one = next(one for one in contenders.CONTENDERS if one.name == name)
    if not one.installed():
        pytest.skip(f"{name} is not installed")
    return one.load(1)


def result(prepared):
    return prepared.fetch(prepared.run())


# --- what is computed ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", SMALL, ids=str)
@pytest.mark.parametrize("name", ["logitloss", "NumPy formula", "SciPy"])
def test_right_results_pass(name, case):
    x, z = cases.draw(case)
    prepared = contender(name)(case, x, z)
    if prepared is None:
        pytest.skip(f"{name} has no {case}")
    cases.verify(case, name, result(prepared), cases.expected(case, x, z))


def test_bfloat16_is_drawn_computed_and_checked():
    case = Case("mean_and_grad", "bfloat16", "soft", (1000,))
    x, z = cases.draw(case)
    assert x.dtype == z.dtype == BFLOAT16
    cases.verify(case, "logitloss", result(contender("logitloss")(case, x, z)), cases.expected(case, x, z))


@pytest.mark.parametrize("case", SMALL, ids=str)
@pytest.mark.parametrize("mode", ["eager", "function", "XLA"])
def test_the_results_of_logitloss_in_tensorflow_pass(mode, case):
    x, z = cases.draw(case)
    prepared = contender(f"logitloss.tensorflow {mode}")(case, x, z)
    cases.verify(case, "logitloss.tensorflow", result(prepared), cases.expected(case, x, z))


@pytest.mark.filterwarnings("ignore")  # those of the frameworks
@pytest.mark.parametrize("case", [Case("mean_and_grad", "float32", "hard", (1000,)), SMALL[-1]], ids=str)
@pytest.mark.parametrize(
    "name",
    ["scikit-learn", "numexpr", "logitloss.torch", "torch eager", "logitloss.jax, jit", "jax.jit", "TensorFlow eager"],
)
def test_the_results_of_frameworks_pass(name, case):
    x, z = cases.draw(case)
    try:
        prepared = contender(name)(case, x, z)
    except RuntimeError as error:
        if "cannot be modified after initialization" not in str(error):
            raise
        pytest.skip("another test of this process has already set TensorFlow's threads")
    if prepared is None:
        pytest.skip(f"{name} has no {case}")
    cases.verify(case, name, result(prepared), cases.expected(case, x, z))


@pytest.mark.parametrize("op", ["forward", "call", "grad_and_hess"])
@pytest.mark.parametrize("name", ["logitloss.torch", "logitloss.jax, jit", "logitloss.tensorflow eager"])
def test_what_is_called_logitloss_is_logitloss(name, op):
    case = Case(op, "float32", "hard", (1000,))
    x, z = cases.draw(case)
    own = result(contender("logitloss")(case, x, z))
    for output, want in zip(result(contender(name)(case, x, z)), own, strict=True):
        assert np.array_equal(np.float32(output), want)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_wrong_results_do_not(case):
    x, z = cases.draw(case)
    want = cases.expected(case, x, z)
    right = result(contender("logitloss")(case, x, z))
    for number, output in enumerate(right):
        for wrong in (output * 1.05, output + 0.05, np.asarray(output) * np.nan, np.stack([output, output])):
            outputs = [*right[:number], wrong, *right[number + 1 :]]
            with pytest.raises(WrongResult, match=f"someone on {case.op}, .*: output {number} "):
                cases.verify(case, "someone", tuple(outputs), want)
    with pytest.raises(WrongResult, match=f"expected {len(right)} outputs, got {len(right) + 1}"):
        cases.verify(case, "someone", (*right, right[0]), want)
    other = cases.draw(case)[1] if case.labels == "class" else 1 - z.astype(x.dtype)
    other = np.roll(other, 1) if case.labels == "class" else other
    if case.op != "call":  # the names of the arguments are the same for all labels
        with pytest.raises(WrongResult):
            cases.verify(case, "someone", result(contender("logitloss")(case, x, other)), want)


def test_the_definition_is_the_definition():
    """Held against the same in 50 digits."""
    mpmath = pytest.importorskip("mpmath")
    case = Case("grad_and_hess", "float32", "soft", (50,))
    x, z = cases.draw(case)
    (gradient, _), (hessian, _) = cases.expected(case, x, z).outputs
    ((loss, _),) = cases.expected(case._replace(op="forward"), x, z).outputs
    with mpmath.workdps(50):
        for i in range(50):
            s = 1 / (1 + mpmath.exp(-mpmath.mpf(float(x[i]))))
            z_i = mpmath.mpf(float(z[i]))
            assert loss[i] == pytest.approx(float(-z_i * mpmath.log(s) - (1 - z_i) * mpmath.log(1 - s)), rel=1e-13)
            assert gradient[i] == pytest.approx(float(s - z_i), rel=1e-10)
            assert hessian[i] == pytest.approx(float(s * (1 - s)), rel=1e-12)


# --- the rounds ------------------------------------------------------------------------------------------------------


def test_rounds_are_interleaved():
    heard = []
    runs = {name: lambda name=name: heard.append(name) for name in "abc"}
    pauses = []
    times = bench.interleave(runs, 0.0, repeat=False, pause=pauses.append)
    assert heard == ["a", "b", "c"] * engine.LEAST
    assert pauses == [engine.PAUSE] * len(heard)
    assert {name: len(own) for name, own in times.items()} == dict.fromkeys("abc", engine.LEAST)


def test_short_calls_are_repeated_and_time_ends_the_rounds():
    now = [0]
    calls = {"slow": 0, "quick": 0}

    def takes(name, ns):
        now[0] += ns
        calls[name] += 1

    runs = {"slow": lambda: takes("slow", 3_000_000), "quick": lambda: takes("quick", 1000)}
    times = bench.interleave(runs, 0.04, clock=lambda: now[0], pause=lambda seconds: None)
    assert times["slow"] == [3_000_000] * len(times["slow"])
    assert times["quick"] == [1000] * len(times["slow"])
    assert len(times["slow"]) == 6  # a round takes 7 ms
    assert calls == {"slow": 2 + 6 * 2, "quick": 2 + 6 * 1001}  # two to count, and one in each turn before the clock


def loaded(name, function, version="1"):
    return contenders.Loaded(name, version, lambda case, x, z: Prepared(lambda: (function(x, z),)))


def right(x, z):
    return logitloss.sigmoid_cross_entropy_with_logits(labels=z, logits=x)


CASE = Case("forward", "float32", "hard", (500,))


def test_measure_leaves_out_a_wrong_peer_and_says_so():
    def broken(x, z):
        raise OSError("no such device")

    absent = contenders.Loaded("absent", "1", lambda case, x, z: None)
    peers = [
        loaded("logitloss", right, "9"),
        loaded("wrong", lambda x, z: right(x, 1 - z)),
        loaded("broken", broken),
        absent,
    ]
    notes = []
    rows = bench.measure(CASE, [*peers, loaded("good", right)], 1, 0.0, notes.append)
    assert [row.contender for row in rows] == ["limit", "logitloss", "good"]
    assert [row.version for row in rows[1:]] == ["9", "1"]
    assert notes[0].startswith("wrong on forward, float32, hard labels, 500: output 0 is ")
    assert notes[0].endswith("so it was not timed.")
    assert notes[1] == "broken on forward, float32, hard labels, 500: OSError: no such device"
    for row in rows:
        assert row[:6] == ("forward", "float32", "hard", "500", 1, logitloss._core.isa())
        assert 0 < row.ns_best <= row.ns_median
        assert row.rounds >= engine.LEAST
    assert rows[0].ratio == 1.0
    only = bench.measure(CASE._replace(only=("good",)), peers, 1, 0.0)
    assert [row.contender for row in only] == ["limit"]


def test_measure_does_not_go_on_where_logitloss_is_wrong():
    with pytest.raises(WrongResult, match="logitloss on forward"):
        bench.measure(CASE, [loaded("logitloss", lambda x, z: 0 * x)], 1, 0.0)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_the_limit_touches_every_array_of_the_case(case):
    x, z = cases.draw(case)
    with engine.ThreadPoolExecutor(2) as pool:
        named = dict(limit.candidates(case, x, z, pool, 2))
        for run in named.values():
            run()
    assert named
    assert all("1 thread" in name or case.op == "call" for name in named)  # so few elements pay for one thread


def test_the_limit_copies_with_all_threads():
    x = np.arange(200_000, dtype=np.float32)
    with engine.ThreadPoolExecutor(2) as pool:
        named = dict(limit.candidates(Case("forward", "float32", "hard", x.shape), x, x, pool, 2))
    assert set(named) == {f"{loop}, {count}" for loop in ("copy", "add") for count in ("1 thread", "2 threads")}


# --- the contenders and the process ----------------------------------------------------------------------------------


def test_what_is_missing_or_broken_is_left_out(monkeypatch):
    def no_library(threads):
        raise ImportError("libcudart.so.99")

    missing = contenders.Contender("missing", ("no_such_module",), no_library)
    unusable = contenders.Contender("unusable", ("numpy",), no_library)
    monkeypatch.setattr(contenders, "CONTENDERS", (missing, unusable, contenders.CONTENDERS[1]))
    notes = []
    assert [one.name for one in contenders.load(1, note=notes.append)] == ["NumPy formula"]
    assert notes == ["unusable could not be imported: libcudart.so.99"]
    assert [one.name for one in contenders.load(1, ("missing",))] == []


def test_names_in_plans_are_those_of_contenders():
    specification = importlib.util.spec_from_file_location("benchmarks_run", ROOT / "benchmarks" / "run.py")
    run = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(run)
    known = {one.name for one in contenders.CONTENDERS}
    plans = [*run.PLANS, Plan(1, bench.SHORT, 1.0)]
    assert {name for plan in plans for case in plan.cases for name in (*case.only, *plan.names)} <= known
    assert {case.op for plan in plans for case in plan.cases} == set(cases.OPS)
    assert set(run.processor()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_short_runs_in_its_own_process():
    heard = []
    names = ("logitloss", "NumPy formula")
    small = (CASE._replace(only=names), Case("sparse_forward", "float32", "class", (30, 7), names))
    rows = process.run_plan(
        Plan(1, small, 0.0, isa=logitloss._core.isas()[0], names=names), lambda *values: heard.append(values)
    )
    assert {(row.contender, row.threads) for row in rows} == {("limit", 1), ("logitloss", 1), ("NumPy formula", 1)}
    assert {row.isa for row in rows} == {logitloss._core.isas()[0]}
    assert [what for what, share in heard if share == 0.5] == ["sparse_forward, float32, class labels, 30x7"]
    assert heard[-1] == ("done", 1.0)


@pytest.mark.parametrize("threads", [0, -1, 9999])
def test_a_number_of_threads_that_cannot_be(threads):
    with pytest.raises(bench.BenchError, match=rf"threads must be from 1 to \d+, .* there are, got {threads}\.$"):
        bench.short(threads)


def test_a_process_that_fails_says_why():
    with pytest.raises(bench.BenchError, match=r"the measuring process ended with code 1: KeyError: 'nothing'"):
        process.run_plan(Plan(1, (CASE._replace(op="nothing"),), 0.0, names=("logitloss",)))


def test_a_dtype_without_its_package(monkeypatch):
    monkeypatch.setattr(process.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(bench.BenchError, match="bfloat16 needs ml_dtypes, which is not installed: pip install"):
        process.run_plan(Plan(1, (CASE._replace(dtype=BFLOAT16.name),), 0.0))


def test_import_brings_no_framework():
    code = "import sys, numpy; old = set(sys.modules); import logitloss.bench; print(*set(sys.modules) - old)"
    got = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    added = {name.partition(".")[0] for name in got.stdout.split()}
    assert "logitloss" in added
    assert not added & {"torch", "jax", "tensorflow", "sklearn", "scipy", "ml_dtypes", "optax", "rich", "numexpr"}


# --- the reports -----------------------------------------------------------------------------------------------------


def row(contender, ns, ratio, op="forward", size="1000", version="1"):
    return Row(op, "float32", "hard", size, 2, "avx2", contender, ns, ns / 2, ratio, ratio / 2, 5, version)


ROWS = [
    row("limit", 0.1 + 0.2, 1.0, version="copy, 2 threads"),
    row("logitloss", 0.6, 2.0),
    row("a peer", 3.0, 10.0),
    row("another", 1.5, 5.0),
    row("logitloss.jax, jit", 0.75, 2.5),
    row("limit", 0.15, 1.0, op="mean", version="dot, 2 threads"),
    row("logitloss", 0.3, 2.0, op="mean"),
    row("limit", 50.0, 1.0, op="call", size="8", version="scipy.special.expit"),
    row("logitloss", 100.0, 2.0, op="call", size="8"),
]


def test_tables():
    sigmoid, calls = report.tables(ROWS)
    assert sigmoid.title == "sigmoid, 2 threads, logitloss on avx2: ratio to the limit"
    assert sigmoid.head == [("forward", "float32, hard", "1000"), ("mean", "float32, hard", "1000")]
    assert sigmoid.body == [
        ("limit", ["0.300 ns", "0.150 ns"]),
        ("logitloss", ["2.00", "2.00"]),
        ("a peer", ["10.00", ""]),
        ("another", ["5.00", ""]),
        ("logitloss.jax, jit", ["2.50", ""]),
        ("fastest peer / logitloss", ["2.50", ""]),
    ]
    assert calls.title == "small calls, 2 threads, logitloss on avx2: microseconds per call"
    assert [cells for _, cells in calls.body] == [["0.40"], ["0.80"], [""]]


def test_the_printed_table():
    pytest.importorskip("rich")
    out = io.StringIO()
    report.write_table(ROWS, out)
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert ["a", "peer", "10.00"] in lines
    assert out.getvalue().endswith(
        "logitloss 1, a peer 1, another 1, logitloss.jax, jit 1. The limit is the fastest of several loops, here: copy, 2 threads; dot, 2 threads; "
        "scipy.special.expit.\n"
    )


def test_json_and_csv_keep_every_digit():
    out = io.StringIO()
    report.write_json(ROWS, out)
    assert [Row(**line) for line in json.loads(out.getvalue())] == ROWS
    out = io.StringIO()
    report.write_csv(ROWS, out)
    assert next(csv.reader(io.StringIO(out.getvalue()))) == list(Row._fields)
    assert report.read_csv(io.StringIO(out.getvalue())) == ROWS


def test_committed_results_are_well_formed():
    for path in (ROOT / "benchmarks" / "results").glob("*/*.csv"):
        with path.open() as file:
            rows = report.read_csv(file)
        assert {"limit", "logitloss"} <= {row.contender for row in rows}
        assert len({(*row[:7],) for row in rows}) == len(rows)  # each once
        assert all(0 < row.ns_best <= row.ns_median and row.ratio > 0 < row.ratio_best for row in rows)
