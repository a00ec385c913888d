"""The CUDA kernels' logic, under Triton's interpreter, and their compilation for a GPU that need not be there."""

import math
import os
import subprocess
import sys

import numpy as np
import pytest

import logitloss

from .. import oracle
from .support import DEVICE

# conftest.py has chosen the interpreter where there is no GPU
torch = pytest.importorskip("torch")
pytest.importorskip("triton")
kernels = pytest.importorskip("logitloss.torch._triton")

BOUND = 0.501  # ulp, as the module claims
RNG = np.random.default_rng(7)
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning:triton.runtime.interpreter")


def tensor(array):
    return torch.from_numpy(np.ascontiguousarray(array)).to(DEVICE)


def sigmoid(x, z, **options):
    """Losses, gradient and sum."""
    return kernels.sigmoid(x, z, loss=True, total=True, out=torch.empty_like(x), **options)


def sparse_softmax(x, y):
    gradient = torch.empty_like(x)
    return kernels.sparse_softmax(x, y, out=gradient), gradient


def logits(dtype, n=3000):
    x = np.concatenate([RNG.normal(0, 30, n), RNG.normal(0, 1, n), RNG.uniform(-110, -80, n), RNG.uniform(80, 110, n)])
    return np.concatenate([x, [0, -0.0, 1e-40, 6e4, -6e4]]).astype(dtype)


def assert_within(got, rounded, true):
    """Equal to the correctly rounded results, or within the bound of the definition where not."""
    got, rounded = np.ravel(got), np.ravel(rounded)
    for i in np.flatnonzero(~((got == rounded) | (np.isnan(got) & np.isnan(rounded)))):
        assert oracle.ulps(got[i], true(i), got.dtype) <= BOUND, i


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("label", [bool, np.uint8, np.int64, np.float32, np.float64])
def test_sigmoid(dtype, label):
    x = logits(dtype)
    z = RNG.integers(0, 2, x.size).astype(label) if np.dtype(label).kind != "f" else RNG.random(x.size).astype(label)
    loss, gradient, _ = sigmoid(tensor(x), tensor(z))
    want = logitloss.sigmoid_cross_entropy_value_and_grad(labels=z, logits=x)
    assert_within(loss.cpu().numpy(), want[0], lambda i: oracle.loss(x[i], z[i]))
    gradient = gradient.cpu().numpy()
    for i in np.flatnonzero(gradient != want[1]):
        true = oracle.gradient(x[i], z[i])
        near_root = 2**-38 * min(oracle.sigmoid(float(x[i])), oracle.sigmoid(-float(x[i])))
        unit = oracle.unit(true, gradient.dtype)
        assert abs(oracle.mp.mpf(float(gradient[i])) - true) <= BOUND * unit + near_root


def test_bfloat16():
    """The interpreter cuts float32 to bfloat16 where a GPU rounds: hence a whole unit, and no subnormals."""
    x = tensor(RNG.normal(0, 20, 4000).astype(np.float32)).to(torch.bfloat16)
    z = tensor(RNG.integers(0, 2, len(x)))
    got, want = (kernels.sigmoid(logits, z, loss=True)[0].double() for logits in (x, x.float()))
    assert ((got - want).abs() <= want * 2**-7).all()
    assert (got != want).any()


def test_edges():
    inf, nan = np.inf, np.nan
    x = np.float32([inf, inf, inf, -inf, -inf, -inf, nan, 0, 0, 0, 3e38, 104, 1, inf, inf])
    z = np.float32([0, 0.5, 1, 0, 0.5, 1, 1, 0, 0.5, 1, 1, 1, nan, -1, 2])
    loss, gradient, _ = sigmoid(tensor(x), tensor(z))
    ln2 = np.float32(math.log(2))
    np.testing.assert_array_equal(
        loss.cpu(), np.float32([inf, inf, 0, 0, inf, inf, nan, ln2, ln2, ln2, 0, 0, nan, inf, -inf])
    )
    np.testing.assert_array_equal(
        gradient.cpu(), np.float32([1, 0.5, 0, 0, -0.5, -1, nan, 0.5, 0, -0.5, 0, 0, nan, 2, -1])
    )


@pytest.mark.parametrize("n", [0, 1, 1023, 1025, 5000])
def test_the_sum_and_the_divisor(n, monkeypatch):
    monkeypatch.setattr(kernels, "PROGRAMS", 2)  # so that a program takes several blocks
    x, z = RNG.normal(0, 9, n).astype(np.float32), RNG.integers(0, 2, n)
    loss, gradient, total = sigmoid(tensor(x), tensor(z), divisor=max(n, 1))
    assert float(total) == pytest.approx(math.fsum(loss.cpu().numpy()), rel=n * 2**-53, abs=0)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(labels=z, logits=x)[1]
    np.testing.assert_array_max_ulp(gradient.cpu().numpy(), want, 1)


def rows(dtype, classes):
    x = np.concatenate([RNG.normal(0, spread, (6, classes)) for spread in (0.1, 1, 30, 300)]).astype(dtype)
    x[0, 0] = -np.inf
    return np.concatenate([x, np.sort(x[-3:], axis=-1), np.zeros_like(x[:1])])


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("classes", [1, 2, 10, 300])
def test_sparse_softmax(dtype, classes, monkeypatch):
    monkeypatch.setattr(kernels, "BLOCK", 16)  # several blocks a row
    x = rows(dtype, classes)
    y = RNG.integers(0, classes, len(x))
    y[::2] = x[::2].argmax(axis=-1)
    loss, gradient = sparse_softmax(tensor(x), tensor(y))
    want = logitloss.sparse_softmax_cross_entropy_value_and_grad(labels=y, logits=x)
    np.testing.assert_array_max_ulp(loss.cpu().numpy(), want[0], 1)
    np.testing.assert_array_max_ulp(gradient.cpu().numpy(), want[1], 1)
    assert (loss.cpu().numpy() != want[0]).mean() < 0.05


def test_edges_of_the_softmax():
    inf, nan = np.inf, np.nan
    x = np.float32([[40, 0], [0, 40], [inf, 1], [inf, 1], [inf, inf], [-inf, -inf], [nan, 1], [1, nan], [-inf, 1]])
    y = np.array([0, 0, 0, 1, 0, 0, 1, 0, 0])
    loss, gradient = sparse_softmax(tensor(x), tensor(y))
    small = np.float32(math.exp(-40))
    np.testing.assert_array_equal(loss.cpu(), np.float32([small, 40, 0, inf, nan, nan, nan, nan, inf]))
    np.testing.assert_array_equal(
        gradient.cpu(),
        np.float32([[-small, small], [-1, 1], [0, 0], [1, -1], *[[nan, nan]] * 4, [-1, 1]]),
    )


def test_a_label_that_is_no_class():
    loss, gradient = sparse_softmax(tensor(np.zeros((2, 3), np.float32)), tensor([3, -1]))
    assert loss.isnan().all()
    assert gradient.isnan().all()


# --- the adapter gives them its tensors ------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_binary_cross_entropy_on_a_gpu(counted_as_gpu, reduction, dtype):
    from logitloss.torch import binary_cross_entropy_with_logits

    x, z = torch.randn(50, 3, dtype=torch.float64) * 10, torch.rand(50, 3)
    mine, theirs = (x.to(DEVICE, dtype).requires_grad_(), x.to(dtype).double().requires_grad_())
    got = binary_cross_entropy_with_logits(mine, z.to(DEVICE), reduction=reduction)
    want = binary_cross_entropy_with_logits(theirs, z.double(), reduction=reduction)  # by the formulas
    for _ in range(2):  # a second time from the same graph
        (2 * got.sum()).backward(retain_graph=True)
        (2 * want.sum()).backward(retain_graph=True)
    eps, least = torch.finfo(dtype).eps, 4 * torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    torch.testing.assert_close(got.cpu().double(), want, rtol=eps, atol=0)
    torch.testing.assert_close(mine.grad.cpu().double(), theirs.grad, rtol=2 * eps, atol=least)  # a few subnormals
    assert counted_as_gpu


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("ignore_index", [-100, 1])
def test_cross_entropy_on_a_gpu(counted_as_gpu, reduction, ignore_index):
    from logitloss.torch import cross_entropy

    x, y = torch.randn(40, 7) * 10, torch.randint(0, 7, (40,))
    mine, theirs = x.clone().to(DEVICE).requires_grad_(), x.double().requires_grad_()
    got = cross_entropy(mine, y.to(DEVICE), reduction=reduction, ignore_index=ignore_index)
    want = cross_entropy(theirs, y, reduction=reduction, ignore_index=ignore_index)  # by the formulas
    got.sum().backward()
    want.sum().backward()
    torch.testing.assert_close(got.cpu().double(), want, rtol=2**-22, atol=0)
    torch.testing.assert_close(mine.grad.cpu().double(), theirs.grad, rtol=2**-22, atol=0)
    assert counted_as_gpu


@pytest.mark.filterwarnings("ignore:divide by zero encountered:RuntimeWarning:triton.runtime.interpreter")
def test_no_row_to_take_the_mean_over_on_a_gpu(counted_as_gpu):
    from logitloss.torch import cross_entropy

    x = torch.randn(4, 3, device=DEVICE, requires_grad=True)
    loss = cross_entropy(x, torch.full((4,), -100, device=DEVICE))
    loss.backward()
    assert loss.isnan()
    assert (x.grad == 0).all()
    assert counted_as_gpu


def test_what_has_no_kernel_for_a_gpu(counted_as_gpu):
    from logitloss.torch import binary_cross_entropy_with_logits, cross_entropy

    x = torch.randn(4, 3, device=DEVICE)
    binary_cross_entropy_with_logits(x.double(), x.double())
    binary_cross_entropy_with_logits(x, x, pos_weight=torch.ones(3, device=DEVICE))
    cross_entropy(x, x.softmax(-1))
    assert not counted_as_gpu


# --- compiled for one ------------------------------------------------------------------------------------------------

COMPILE = """
import triton
from triton.backends.compiler import GPUTarget
from logitloss.torch import _triton as kernels

def ptx(kernel, types, **constants):
    names = dict(zip(kernel.arg_names, [*types, *["constexpr"] * len(constants)]))
    source = triton.compiler.ASTSource(fn=kernel, signature=names, constexprs=constants)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": False}).asm["ptx"]

p = "*fp32"
print(ptx(kernels._sigmoid, [p, "*u8", p, p, "*fp64", "i32", "i32"], LOSS=True, GRAD=True, SUM=True, BLOCK=1024))
print(ptx(kernels._sparse_softmax, [p, "*i64", p, p, "i32", "i32"], GRAD=True, BLOCK=1024))
"""


def test_the_kernels_compile_for_a_gpu_and_flush_nothing(tmp_path):
    environment = {**os.environ, "TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    got = subprocess.run([sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=False)
    assert got.returncode == 0, got.stderr
    assert got.stdout.count(".visible .entry") == 2
    assert "fma.rn.f64" in got.stdout
    assert "ftz.f32" not in got.stdout
