"""The reports keep what was measured."""

import csv
import io
import json

import pytest

from logitloss.bench import Row, report

from .. import ROOT


def row(implementation, ns, ratio, op="forward", size="1000", version="1"):
    return Row(op, "float32", "hard", size, 2, "avx2", implementation, ns, ns / 2, ratio, ratio / 2, 5, version)


ROWS = [
    row("memory bound", 0.1 + 0.2, 1.0, version="copy, 2 threads"),
    row("logitloss", 0.6, 2.0),
    row("a peer", 3.0, 10.0),
    row("another", 1.5, 5.0),
    row("logitloss.jax, jit", 0.75, 2.5),
    row("memory bound", 0.15, 1.0, op="mean", version="dot, 2 threads"),
    row("logitloss", 0.3, 2.0, op="mean"),
    row("memory bound", 50.0, 1.0, op="call", size="8", version="scipy.special.expit"),
    row("logitloss", 100.0, 2.0, op="call", size="8"),
]


def test_tables():
    sigmoid, calls = report.tables(ROWS)
    assert sigmoid.title == "sigmoid, 2 threads, logitloss on avx2: ratio to the memory bound"
    assert sigmoid.head == [("forward", "float32, hard", "1000"), ("mean", "float32, hard", "1000")]
    assert sigmoid.body == [
        ("memory bound", ["0.300 ns", "0.150 ns"]),
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
        "logitloss 1, a peer 1, another 1, logitloss.jax, jit 1. The memory bound is the fastest of several loops, here: copy, 2 threads; dot, 2 threads; "
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
        assert {"memory bound", "logitloss"} <= {row.implementation for row in rows}
        assert len({(*row[:7],) for row in rows}) == len(rows)  # each once
        assert all(0 < row.ns_best <= row.ns_median and row.ratio > 0 < row.ratio_best for row in rows)
