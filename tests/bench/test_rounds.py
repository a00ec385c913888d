"""Rounds are interleaved, short calls repeated, and the memory bound touches every array."""

import numpy as np
import pytest

import logitloss
from logitloss import bench
from logitloss.bench import Case, WrongResult, cases, engine, implementations, memory_bound

from .support import CASE, SMALL, loaded, right


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


def test_measure_leaves_out_a_wrong_peer_and_says_so():
    def broken(x, z):
        raise OSError("no such device")

    absent = implementations.Loaded("absent", "1", lambda case, x, z: None)
    peers = [
        loaded("logitloss", right, "9"),
        loaded("wrong", lambda x, z: right(x, 1 - z)),
        loaded("broken", broken),
        absent,
    ]
    notes = []
    rows = bench.measure(CASE, [*peers, loaded("good", right)], 1, 0.0, notes.append)
    assert [row.implementation for row in rows] == ["memory bound", "logitloss", "good"]
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
    assert [row.implementation for row in only] == ["memory bound"]


def test_measure_does_not_go_on_where_logitloss_is_wrong():
    with pytest.raises(WrongResult, match="logitloss on forward"):
        bench.measure(CASE, [loaded("logitloss", lambda x, z: 0 * x)], 1, 0.0)


@pytest.mark.parametrize("case", SMALL, ids=str)
def test_the_memory_bound_touches_every_array_of_the_case(case):
    x, z = cases.draw(case)
    with engine.ThreadPoolExecutor(2) as pool:
        named = dict(memory_bound.loops(case, x, z, pool, 2))
        for run in named.values():
            run()
    assert named
    assert all("1 thread" in name or case.op == "call" for name in named)  # so few elements pay for one thread


def test_the_memory_bound_copies_with_all_threads():
    x = np.arange(200_000, dtype=np.float32)
    with engine.ThreadPoolExecutor(2) as pool:
        named = dict(memory_bound.loops(Case("forward", "float32", "hard", x.shape), x, x, pool, 2))
    assert set(named) == {f"{loop}, {count}" for loop in ("copy", "add") for count in ("1 thread", "2 threads")}
