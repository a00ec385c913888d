"""The peers that are installed, what the sweep finds, and how it is reported."""

import csv
import io
import json
import math
import subprocess
import sys

import numpy as np
import pytest

import logitloss.accuracy
from logitloss.accuracy import ZONES, peers, report, sweep, truths, ulp_errors
from logitloss.accuracy.zones import draw

from .. import oracle
from ..oracle import BFLOAT16, DTYPES

module = sys.modules["logitloss.accuracy.sweep"]
NAMES = [dtype.name for dtype in DTYPES]


# --- the peers -------------------------------------------------------------------------------------------------------


def loaded(name):
    one = next(one for one in peers.IMPLEMENTATIONS if one.name == name)
    if not one.installed():
        pytest.skip(f"{name} is not installed")
    try:
        return one, one.load()
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.filterwarnings("ignore")  # those of the frameworks
@pytest.mark.parametrize("name", [one.name for one in peers.IMPLEMENTATIONS])
def test_peers_compute_this_loss_and_this_gradient(name):
    """Each within a few units where nothing is hard, in its dtypes, with logits and labels in their places."""
    one, run = loaded(name)
    assert one.version()[0].isdigit()
    for dtype in one.dtypes.split():
        target = BFLOAT16 if dtype == "bfloat16" else np.dtype(dtype)
        x, z = np.array([-2, -1, 0.5, 2, 3], target), np.array([0, 1, 1, 0.25, 0.75], target)
        for values, truth in zip(run(x, z), truths(x, z), strict=True):
            assert values.dtype == target
            assert ulp_errors(values, truth).max() < 20


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [one.name for one in peers.IMPLEMENTATIONS[1:]])
def test_every_peer_is_off_somewhere_in_float32(name):
    _, run = loaded(name)
    worst = 0.0
    for zone in ZONES:
        x, z = draw(zone, "float32", 500)
        errors = [ulp_errors(v, truth).max() for v, truth in zip(run(x, z), truths(x, z), strict=True)]
        worst = max(worst, *errors)
    assert worst > 1000


# --- the sweep -------------------------------------------------------------------------------------------------------


def test_logitloss_is_correctly_rounded_and_the_formula_is_not():
    heard = []
    rows = sweep(points=600, progress=lambda *values: heard.append(values), implementations=peers.IMPLEMENTATIONS[:2])
    assert len(rows) == 4 * len(ZONES) * 2 * 2
    for row in rows:
        if row.implementation == "logitloss" and row.dtype != "float64":
            assert row.ulp <= 0.5, row
        if row.implementation == "logitloss" and row.dtype == "float64" and row.output == "loss":
            assert row.ulp <= 0.75, row
        definition = oracle.loss if row.output == "loss" else oracle.gradient
        dtype = BFLOAT16 if row.dtype == "bfloat16" else np.dtype(row.dtype)
        truth = definition(row.logit, row.label)
        assert oracle.ulps(row.got, truth, dtype) == pytest.approx(row.ulp, rel=1e-12)
        assert float(abs(truth - row.want)) <= abs(row.want) * 2.0**-52 + 2.0**-1074
    for dtype in NAMES:
        assert max(row.ulp for row in rows if row.dtype == dtype and row.implementation != "logitloss") > 100
    fractions = [fraction for _, fraction in heard]
    assert fractions == sorted(fractions)
    assert heard[0] == ("importing logitloss", 0.0)
    assert ("float64: tails", 10 / 24) in heard
    assert heard[-1] == ("done", 1.0)


def test_what_is_missing_or_broken_is_left_out(monkeypatch):
    def broken():
        raise ImportError("libcudart.so.99")

    missing = peers.Implementation("missing", ("numpy", "no_such_module"), "float32", broken)
    unusable = peers.Implementation("unusable", ("numpy",), "float32", broken)
    monkeypatch.setattr(module, "IMPLEMENTATIONS", (missing, unusable, peers.IMPLEMENTATIONS[0]))
    assert {row.implementation for row in sweep(["float32"], points=10)} == {"logitloss"}


def test_a_dtype_it_does_not_know(monkeypatch):
    with pytest.raises(ValueError, match=r"dtypes must be some of float32, float64, float16, bfloat16, .* got 'int8'"):
        sweep(["int8"])
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert logitloss.accuracy.available_dtypes() == ("float32", "float64", "float16")
    with pytest.raises(ValueError, match="got 'bfloat16'"):
        sweep(["bfloat16"])


def test_import_brings_no_framework():
    code = "import sys, numpy; old = set(sys.modules); import logitloss.accuracy; print(*set(sys.modules) - old)"
    got = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    added = {name.partition(".")[0] for name in got.stdout.split()}
    assert "logitloss" in added
    assert not added & {"torch", "jax", "tensorflow", "keras", "sklearn", "scipy", "ml_dtypes", "optax", "rich"}


# --- the reports -----------------------------------------------------------------------------------------------------

ROWS = [
    logitloss.accuracy.Row("float32", "tails", "logitloss", "1", "loss", 0.49999, 0.1, 1.0, 2.0, 2.0),
    logitloss.accuracy.Row(
        "float32", "tails", "logitloss", "1", "gradient", 0.5, -np.float64(np.float32(0.1)), 0.0, 3.0, 3.0
    ),
    logitloss.accuracy.Row("float32", "tails", "a peer", "2", "loss", 0.50001, 0.1, 1.0, 2.0, 2.0),
    logitloss.accuracy.Row("float32", "tails", "a peer", "2", "gradient", math.inf, 1e10, 1.0, math.nan, 3.0),
]


def test_errors_are_rounded_up():
    shown = [report.ulp_text(e) for e in (0.0, 0.49999, 0.5, 0.50001, 700.1, 16777216, math.inf)]
    assert shown == ["0.000", "0.500", "0.500", "0.501", "701", "1.7e+07", "inf"]


def test_table():
    pytest.importorskip("rich")
    out = io.StringIO()
    report.write_table(ROWS, out)
    lines = [line.split() for line in out.getvalue().splitlines()]
    assert " ".join(lines[0]) == "float32: largest error in units in the last place"
    assert ["logitloss", "0.500", "0.1", "1.0", "0.500", "-0.1", "0.0"] in lines
    assert ["a", "peer", "0.501", "0.1", "1.0", "inf", "1e+10", "1.0"] in lines


def test_json_and_csv_keep_every_digit():
    out = io.StringIO()
    report.write_json(ROWS, out)
    document = json.loads(out.getvalue())
    assert [row["ulp"] for row in document] == [0.49999, 0.5, 0.50001, None]
    assert document[1]["logit"] == ROWS[1].logit
    out = io.StringIO()
    report.write_csv(ROWS, out)
    lines = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert [float(line["ulp"]) for line in lines] == [row.ulp for row in ROWS]
    assert list(lines[0]) == list(logitloss.accuracy.Row._fields)
