"""PyTorch, eager: the edges, and where torch's own losses are wrong."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from ..edges import EDGES, LN2  # noqa: E402
from .support import DEFECTS, DTYPES, numpy, same_bits  # noqa: E402

inf, nan = math.inf, math.nan


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("x", "z", "loss", "gradient", "hessian"), EDGES)
def test_edges(x, z, loss, gradient, hessian, dtype):
    x, z = torch.tensor([x], dtype=dtype, requires_grad=True), torch.tensor([z], dtype=dtype, requires_grad=True)
    got = logitloss.sigmoid_cross_entropy_with_logits(logits=x, labels=z)
    got.backward()
    if loss is not None:
        same_bits(got, logitloss.sigmoid_cross_entropy_with_logits(logits=numpy(x), labels=numpy(z)))
        assert loss is LN2 or np.isclose(got.item(), loss, equal_nan=True)
    assert np.isclose(x.grad.item(), gradient, equal_nan=True)
    assert np.isclose(z.grad.item(), -x.item(), equal_nan=True)
    if hessian is not None:
        _, second = logitloss.sigmoid_cross_entropy_grad_and_hess(logits=x, labels=z)
        assert np.isclose(second.item(), hessian, equal_nan=True)


@pytest.mark.parametrize(("what", "functions", "x", "z", "truth", "torchs"), DEFECTS)
def test_where_torch_is_wrong(what, functions, x, z, truth, torchs):
    x, z = torch.tensor(x), torch.tensor(z)
    mine, theirs = (what(lambda x, z, f=f: f(x, z, reduction="sum"), x, z).detach() for f in functions)
    np.testing.assert_allclose(numpy(mine), np.reshape(truth, mine.shape), rtol=3e-7)
    np.testing.assert_allclose(numpy(theirs), np.reshape(torchs, theirs.shape), rtol=3e-7)


def test_where_torch_is_wrong_in_bfloat16():
    x, z = torch.tensor(-4.16, dtype=torch.bfloat16), torch.tensor(0.0, dtype=torch.bfloat16)
    assert float(F.binary_cross_entropy_with_logits(x, z)) == 0.0
    truth = torch.tensor(-4.16, dtype=torch.bfloat16).double().exp().log1p()
    assert ours.binary_cross_entropy_with_logits(x, z) == truth.to(torch.bfloat16)


def test_what_torch_refuses():
    x, y = torch.tensor([1.0, -2.0]), torch.tensor([1, 0])
    for target in (y, y.bool(), y.to(torch.uint8)):
        assert ours.binary_cross_entropy_with_logits(x, target) == ours.binary_cross_entropy_with_logits(x, y.float())
        with pytest.raises(RuntimeError):
            F.binary_cross_entropy_with_logits(x, target)
