"""PyTorch, not on the kernels: how right the formulas are, in units in the last place."""

import math
import re

import numpy as np
import pytest

from .. import ROOT

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from .support import DTYPES, FROM_TORCH, compiled, leaf, of_library, traced  # noqa: E402

pytestmark = FROM_TORCH


inf = math.inf

PAGE = (ROOT / "docs" / "frameworks" / "pytorch.md").read_text()
BOUNDS = {
    getattr(torch, dtype): [float(bound) for bound in bounds.split("|")]
    for dtypes, bounds in re.findall(r"^\| (float\w+, \w*float\w+) \|([ \d.|]+)\|$", PAGE, re.MULTILINE)
    for dtype in dtypes.split(", ")
}


def test_every_dtype_has_its_bounds():
    assert {dtype: len(bounds) for dtype, bounds in BOUNDS.items()} == dict.fromkeys(DTYPES, 4)


def ulps(got, want, terms, dtype):
    """The largest error in units in the last place of the terms, which are those of the result if nothing is subtracted."""
    info = torch.finfo(dtype)
    exponent = np.floor(np.log2(np.maximum(abs(terms), info.smallest_normal)))
    return (abs(got.double().numpy() - want) * 2.0**-exponent / info.eps).max()


def with_backward(loss):
    """Loss and gradient of a compiled loss."""
    compiled_loss = compiled(loss)

    def both(x, z):
        x = leaf(x)
        value = compiled_loss(x, z)
        value.sum().backward()
        return value.detach(), x.grad

    return both


def ways(name):
    yield traced(of_library(name.replace("with_logits", "value_and_grad")))
    yield with_backward(of_library(name))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_bounds_of_the_sigmoid_losses(dtype):
    random = torch.Generator().manual_seed(0)
    reach = 20.0 if dtype is torch.float16 else 700.0 if dtype is torch.float64 else 100.0
    x = [torch.empty(50_000, dtype=torch.float64).uniform_(-r, r, generator=random) for r in (1e-3, 5, 20, reach)]
    x = torch.cat(x).to(dtype)
    soft = torch.rand(x.shape, generator=random, dtype=torch.float64).to(dtype)
    for way in ways("sigmoid_cross_entropy_with_logits"):
        for z in (torch.zeros_like(x), torch.ones_like(x), soft):
            loss, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(
                logits=x.double().numpy(), labels=z.double().numpy()
            )
            got = way(x, z)
            assert ulps(got[0], loss, loss, dtype) <= BOUNDS[dtype][0]
            terms = np.maximum(abs(gradient), torch.where(x > 0, 1 - z, z).double().numpy()) if z is soft else gradient
            assert ulps(got[1], gradient, terms, dtype) <= BOUNDS[dtype][1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_bounds_of_a_gradient_with_pos_weight(dtype):
    """Put together of two gradients of the kernels."""
    random = torch.Generator().manual_seed(0)
    reach = 15.0 if dtype is torch.float16 else 85.0
    x = torch.empty(50_000, dtype=torch.float64).uniform_(-reach, reach, generator=random).to(dtype)
    w = (torch.rand(x.shape, generator=random) * 3).to(dtype)
    x[:6], w[:6] = torch.tensor([inf, -inf, inf, -inf, 3, 0]), torch.tensor([0, 0, 2, 2, 0, 0])
    soft = torch.rand(x.shape, generator=random, dtype=torch.float64).to(dtype)
    for z in (torch.zeros_like(x), torch.ones_like(x), soft):
        one = leaf(x)
        ours.binary_cross_entropy_with_logits(one, z, pos_weight=w, reduction="sum").backward()
        double = [t.double().numpy() for t in (x, z, w)]
        at_0, at_1 = (
            logitloss.sigmoid_cross_entropy_value_and_grad(logits=double[0], labels=np.full(x.shape, label))[1]
            for label in (0, 1)
        )
        terms = np.stack([(1 - double[1]) * at_0, double[1] * double[2] * at_1])
        assert ulps(one.grad, terms.sum(0), abs(terms).max(0), dtype) <= BOUNDS[dtype][1]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "distributions"])
def test_the_bounds_of_the_softmax_losses(dtype, soft):
    name = "softmax_cross_entropy_with_logits" if soft else "sparse_softmax_cross_entropy_with_logits"
    random = torch.Generator().manual_seed(0)
    for way in ways(name):
        for classes, scale in ((3, 1), (3, 20), (1000, 1), (1000, 5)):
            x = (torch.randn(60_000 // classes, classes, generator=random) * scale).to(dtype)
            z = torch.randint(0, classes, (len(x),), generator=random)
            z[::2] = x[::2].argmax(1)  # every other row is right
            if soft:
                z = torch.softmax(torch.randn(x.shape, generator=random) * 3, 1).to(dtype)
            function = getattr(logitloss, name.replace("with_logits", "value_and_grad"))
            loss, gradient = function(logits=x.double().numpy(), labels=z.double().numpy() if soft else z.numpy())
            got = way(x, z)
            assert ulps(got[0], loss, loss, dtype) <= BOUNDS[dtype][2]
            terms = np.maximum(abs(gradient), z.double().numpy()) if soft else gradient
            assert ulps(got[1], gradient, terms, dtype) <= BOUNDS[dtype][3]
