"""What is measured, and the process that measures it."""

import importlib.util
import subprocess
import sys

import pytest

import logitloss
from logitloss import bench
from logitloss.bench import Case, Plan, cases, implementations, process

from .. import ROOT
from ..oracle import BFLOAT16
from .support import CASE


def test_what_is_missing_or_broken_is_left_out(monkeypatch):
    def no_library(threads):
        raise ImportError("libcudart.so.99")

    missing = implementations.Implementation("missing", ("no_such_module",), no_library)
    unusable = implementations.Implementation("unusable", ("numpy",), no_library)
    monkeypatch.setattr(implementations, "IMPLEMENTATIONS", (missing, unusable, implementations.IMPLEMENTATIONS[1]))
    notes = []
    assert [one.name for one in implementations.load(1, note=notes.append)] == ["NumPy formula"]
    assert notes == ["unusable could not be imported: libcudart.so.99"]
    assert [one.name for one in implementations.load(1, ("missing",))] == []


def test_names_in_plans_are_those_of_implementations():
    specification = importlib.util.spec_from_file_location("benchmarks_run", ROOT / "benchmarks" / "run.py")
    run = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(run)
    known = {one.name for one in implementations.IMPLEMENTATIONS}
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
    assert {(row.implementation, row.threads) for row in rows} == {
        ("memory bound", 1),
        ("logitloss", 1),
        ("NumPy formula", 1),
    }
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
