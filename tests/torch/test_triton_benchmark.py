"""The benchmark for a GPU, all but its clock: run where there is none, with the kernels under Triton's interpreter."""

import csv
import importlib.util
import itertools

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("triton")

from logitloss.bench import Case, WrongResult  # noqa: E402

from .. import ROOT  # noqa: E402
from .support import DEVICE  # noqa: E402

specification = importlib.util.spec_from_file_location("benchmarks_gpu", ROOT / "benchmarks" / "gpu.py")
gpu = importlib.util.module_from_spec(specification)
specification.loader.exec_module(gpu)

pytestmark = pytest.mark.filterwarnings("ignore")  # of the compiler and the interpreter
SMALL = [
    *(Case(op, dtype, "hard", (3000,)) for dtype in gpu.DTYPES for op in ("forward", "mean_and_grad")),
    *(Case(op, "float32", "class", (20, 37)) for op in ("sparse_forward", "sparse_mean_and_grad")),
]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The compiler is torch's own affair and takes a minute."""
    monkeypatch.setattr(torch, "compile", lambda function, **options: function)


def clock():
    """The first thing it times, the copy, takes 1 ms in the first round, each further one 1 ms more."""
    count = itertools.count(1)
    return lambda run: (run(), next(count))[1]


def test_everything_but_the_time(counted_as_gpu, tmp_path):
    path = tmp_path / "some-device" / "gpu" / "day.csv"
    rows = gpu.benchmark(SMALL, path, DEVICE, clock(), points=120)
    assert set(counted_as_gpu) == {"sigmoid", "sparse_softmax"}
    with path.open() as file:
        lines = list(csv.reader(file))
    assert lines == [list(gpu.Row._fields), *(["" if v is None else str(v) for v in row] for row in rows)]
    names = {row.implementation for row in rows}
    assert names >= {"memory bound", "logitloss", "torch eager", "torch.compile"}
    for row in rows:
        if row.implementation == "logitloss" and row.dtype == "float32":
            assert row.ulp_loss <= 0.501 >= row.ulp_gradient
        elif row.implementation.startswith("torch"):
            assert row.ulp_loss > 100 < row.ulp_gradient
    # float32 logits and labels are read, losses written: half as much again as a copy moves
    first = [row for row in rows if row[:3] == ("forward", "float32", "3000")]
    assert [(row.implementation, row.ms_best) for row in first] == [
        *(("memory bound", 1.5), ("logitloss", 2), ("torch eager", 3), ("torch.compile", 4))
    ]
    assert first[0].bandwidth_fraction == 1
    assert first[1].bandwidth_fraction == pytest.approx(
        1.5 * 9 / 10
    )  # of five rounds the third: the copy's is 9 ms, logitloss's 10


def test_the_fewest_bytes():
    moved = {}
    for case in SMALL:
        loss = "softmax" if case.labels == "class" else "sigmoid"
        moved[case[:2]] = gpu.measure(case, loss, [], DEVICE, lambda run: 1.0)["memory bound"][0]
    assert moved["mean_and_grad", "float32"] == moved["forward", "float32"] == moved["forward", "bfloat16"] == 3 / 2
    logits, losses, labels = 20 * 37 * 4, 20 * 4, 20 * 8
    assert moved["sparse_forward", "float32"] == (logits + labels + losses) / (2 * logits)
    assert moved["sparse_mean_and_grad", "float32"] == (2 * logits + labels) / (2 * logits)


def test_what_is_wrong_is_not_timed(monkeypatch, capsys):
    wrong = gpu.Candidate("wrong", "1", gpu.SimpleNamespace(cross_entropy=lambda x, y, reduction: x.exp().sum(1)))
    implementations = [*gpu.candidates()[:1], wrong]
    assert list(gpu.measure(SMALL[-2], "softmax", implementations, DEVICE, lambda run: 1.0)) == [
        "memory bound",
        "logitloss",
    ]
    assert "so it was not timed" in capsys.readouterr().err
    with pytest.raises(WrongResult, match="logitloss on sparse_forward"):
        gpu.measure(SMALL[-2], "softmax", [wrong._replace(name="logitloss")], DEVICE, lambda run: 1.0)


def test_without_a_device(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main() == 2
    assert (
        capsys.readouterr().err
        == "benchmarks/gpu.py needs a CUDA device, and PyTorch and Triton for it. Nothing measured.\n"
    )
