"""PyTorch and the process: imports, forks, other processes, memory, threads."""

import os
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from ..processes import FRAMEWORKS, imported_by, run  # noqa: E402
from .support import same_bits, sample  # noqa: E402

PRELUDE = "import torch, logitloss, logitloss.torch as ours\n"


def test_torch_is_imported_when_it_is_asked_for():
    assert "torch" not in imported_by(
        "import logitloss, numpy; logitloss.sigmoid_cross_entropy_with_logits(logits=[1.0], labels=[1])"
    )
    assert imported_by("import logitloss.torch") & FRAMEWORKS == {"torch"}


def test_a_tensor_is_enough():
    code = "import torch, logitloss; print(logitloss.sigmoid_cross_entropy_with_logits(logits=torch.zeros(1), labels=torch.ones(1)))"
    assert run(code).stdout == "tensor([0.6931])\n"


def test_without_ml_dtypes_bfloat16_is_computed_by_the_formulas():
    code = """
import sys
sys.modules["ml_dtypes"] = None  # as if it were not installed
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "ml_dtypes" else find(name, *rest)
import torch, logitloss.torch as ours
x = torch.tensor([-4.16, 2.0], dtype=torch.bfloat16, requires_grad=True)
loss = ours.binary_cross_entropy_with_logits(x, torch.tensor([0, 1]), reduction="none")
loss.sum().backward()
print(loss.dtype, loss.tolist(), x.grad.tolist())
"""
    got = run(code)
    assert (
        got.stdout
        == "torch.bfloat16 [0.01556396484375, 0.126953125] [0.0154418945312"
        + got.stdout.partition("0.0154418945312")[2]
    ), got.stderr


@pytest.mark.filterwarnings("ignore")  # of the profiler about itself
def test_a_name_is_a_range_in_the_profiler():
    x, z = sample(5, torch.float32)
    with torch.profiler.profile() as profile:
        logitloss.sigmoid_cross_entropy_with_logits(logits=x, labels=z, name="loss of the head")
    assert "loss of the head" in [event.key for event in profile.key_averages()]


def test_threads_and_determinism_leave_the_bits():
    x, z = sample(300_000, torch.float32)
    want = ours.binary_cross_entropy_with_logits(x, z, reduction="none").numpy()
    before, own = torch.get_num_threads(), logitloss.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            logitloss.set_num_threads(threads)
            torch.use_deterministic_algorithms(True)
            same_bits(ours.binary_cross_entropy_with_logits(x, z, reduction="none"), want)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
        logitloss.set_num_threads(own)
        torch.use_deterministic_algorithms(False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_workers_that_fork_after_use():
    code = (
        PRELUDE
        + """
logitloss.set_num_threads(4)
x = torch.linspace(-9, 9, 300_000)
want = ours.binary_cross_entropy_with_logits(x, x > 0)
class Losses(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        return ours.binary_cross_entropy_with_logits(x, x > 0)
loader = torch.utils.data.DataLoader(Losses(), num_workers=2, multiprocessing_context="fork", timeout=30)
assert all(loss == want for loss in loader)
print("done")
"""
    )
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert got.stdout == "done\n", got.stderr


DDP = """
import sys
import torch
import torch.nn.functional as F
import logitloss.torch as ours
rank, path = int(sys.argv[1]), sys.argv[2]
torch.distributed.init_process_group("gloo", store=torch.distributed.FileStore(path, 2), rank=rank, world_size=2)
torch.manual_seed(0)
model = torch.nn.Linear(5, 3).double()
x, z = torch.randn(8, 5).double(), torch.rand(8, 3).double()
want = torch.autograd.grad(F.binary_cross_entropy_with_logits(model(x), z), list(model.parameters()))
parallel = torch.nn.parallel.DistributedDataParallel(model)
half = slice(4 * rank, 4 * rank + 4)
ours.BCEWithLogitsLoss()(parallel(x[half]), z[half]).backward()
for parameter, gradient in zip(model.parameters(), want):
    torch.testing.assert_close(parameter.grad, gradient)
torch.distributed.destroy_process_group()
print("done")
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no distributed part")
def test_two_processes_share_their_gradients(tmp_path):
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", DDP, str(rank), str(tmp_path / "store")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for worker in workers:
        output, errors = worker.communicate(timeout=120)
        assert output == "done\n", errors


@pytest.mark.skipif(sys.platform != "linux", reason="reads the resident memory from /proc")
@pytest.mark.parametrize(
    ("function", "arrays"), [("ours.binary_cross_entropy_with_logits", 1), ("F.binary_cross_entropy_with_logits", 2)]
)
def test_forward_and_backward_allocate_the_gradient_alone(function, arrays):
    """torch's own need more, which shows that the measurement can tell."""
    code = (
        PRELUDE
        + f"""
import torch.nn.functional as F
x, z = torch.full((1 << 25,), 0.5).requires_grad_(), torch.full((1 << 25,), 0.5)
{function}(x[:1000].detach().requires_grad_(), z[:1000]).backward()
peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])
before = peak()
{function}(x, z).backward()
print((peak() - before) / (x.nbytes / 1024))
"""
    )
    got = float(run(code).stdout)
    assert abs(got - arrays) < 0.2
