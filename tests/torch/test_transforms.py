"""PyTorch, not eager: transformed, traced, compiled. The formulas and their derivatives."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from ..edges import EDGES  # noqa: E402
from .support import (  # noqa: E402
    DEFECTS,
    FROM_TORCH,
    FUNCTIONS,
    IGNORED,
    TRANSFORMS,
    W,
    assert_same,
    both,
    eager_backend,
    inputs,
    leaf,
    numpy,
    of_library,
    traced,
)

pytestmark = FROM_TORCH

inf, nan = math.inf, math.nan


@both
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms(name, transform):
    x, z = inputs()
    if transform == "of each":
        if name in ("weights", "weighted", "classes", "smoothed", "sparse"):
            pytest.skip("the arguments beside the logits are not mapped")
        x, z = torch.stack([x, -x]), torch.stack([z, 1 - z])
    mine, theirs = (TRANSFORMS[transform](f) for f in FUNCTIONS[name])
    assert_same(mine(x, z), theirs(x, z))


@both
def test_gradcheck(name):
    x, z = map(leaf, inputs())
    mine = FUNCTIONS[name][0]
    assert torch.autograd.gradcheck(mine, (x, z), check_forward_ad=True, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(mine, (x, z), check_fwd_over_rev=True, check_batched_grad=True)


def test_the_gradient_with_respect_to_pos_weight():
    x, z = inputs()
    w = leaf(W.expand(5, 3))
    mine = lambda x, z, w: logitloss.weighted_cross_entropy_with_logits(logits=x, labels=z, pos_weight=w)  # noqa: E731
    assert torch.autograd.gradcheck(mine, (leaf(x), leaf(z), w), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(mine, (leaf(x), leaf(z), w))


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_the_gradient_with_respect_to_the_weights_of_classes(reduction):
    """Rows that are ignored have no part in it, also if they hold nan."""
    x, _ = inputs()
    x[4] = nan
    mine = lambda w: ours.cross_entropy(x, IGNORED, w, label_smoothing=0.1, reduction=reduction)  # noqa: E731
    weights = leaf(W[0])
    assert torch.autograd.gradcheck(mine, (weights,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(mine, (weights,))


@pytest.mark.parametrize("wrap", [lambda f: f, traced, eager_backend], ids=["transformed", "traced", "compiled"])
def test_derivatives_at_0_and_of_hard_labels(wrap):
    """Where |x| and selections have corners: every derivative is that of the smooth function."""
    loss = of_library("sigmoid_cross_entropy_with_logits")
    for x, z in ((0.0, 0.5), (0.0, 1.0), (-0.0, 0.0), (3.0, 1.0), (-3.0, 0.0), (3.0, 0.0)):
        derivatives = lambda x, z: (  # noqa: E731
            torch.func.grad(loss, (0, 1))(x, z),
            torch.func.grad(torch.func.grad(loss))(x, z),
            torch.func.grad(torch.func.grad(torch.func.grad(loss)))(x, z),
            torch.func.grad(torch.func.grad(torch.func.grad(torch.func.grad(loss))))(x, z),
        )
        s = 1 / (1 + math.exp(-x))
        h = s * (1 - s)
        want = (s - z, -x), h, h * (1 - 2 * s), h * (1 - 6 * h)
        got = wrap(derivatives)(torch.tensor(x).double(), torch.tensor(z).double())
        np.testing.assert_allclose(pytree.tree_leaves(got), pytree.tree_leaves(want), rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("wrap", [lambda f: f, eager_backend], ids=["transformed", "compiled"])
def test_derivatives_of_equal_classes(wrap):
    """Several largest logits: which of them leads must not be seen in any derivative."""
    x, z = torch.tensor([1.0, 1.0, -1.0, 1.0]).double(), torch.tensor([0.5, 0.25, 0.0, 0.25]).double()
    mine, theirs = (
        torch.func.hessian(torch.func.grad(f, (0, 1)), (0, 1))
        for f in (of_library("softmax_cross_entropy_with_logits"), lambda x, z: -(z * torch.log_softmax(x, 0)).sum())
    )
    assert_same(wrap(mine)(x, z), theirs(x, z))


def test_batched_gradients_of_the_kernels_mean():
    x, z = inputs()
    x = leaf(x)
    outer = torch.tensor([1.0, -2.0, 3.0]).double()
    loss = ours.binary_cross_entropy_with_logits(x, z)
    (got,) = torch.autograd.grad(loss, x, outer, is_grads_batched=True)
    (want,) = torch.autograd.grad(F.binary_cross_entropy_with_logits(x, z), x)
    assert_same(got, want * outer[:, None, None])


# --- right everywhere -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [traced, eager_backend], ids=["traced", "compiled"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_edges(wrap, dtype):
    rows = [row for row in EDGES if row[2] is not None]
    x, z = (torch.tensor([row[i] for row in rows], dtype=dtype) for i in (0, 1))
    want = logitloss.sigmoid_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z))

    def derive(x, z):
        return torch.func.vjp(lambda x: of_library("sigmoid_cross_entropy_with_logits")(x, z), x)[1](
            torch.ones_like(x)
        )[0]

    got = *wrap(of_library("sigmoid_cross_entropy_value_and_grad"))(x, z), wrap(derive)(x, z)
    for tensor, array in zip(got, (*want, want[1]), strict=True):
        np.testing.assert_allclose(numpy(tensor).astype(float), array.astype(float), rtol=torch.finfo(dtype).eps)


@pytest.mark.parametrize(("what", "functions", "x", "z", "truth", "torchs"), DEFECTS)
def test_where_torch_is_wrong_the_formulas_are_not(what, functions, x, z, truth, torchs):
    def mine(x, z):
        return functions[0](x, z, reduction="sum")

    x, z = torch.tensor(x), torch.tensor(z)
    results = [traced(lambda x, z: what(mine, x, z))(x, z)]
    if what.__name__ != "curvature":  # torch differentiates a compiled function once
        results.append(what(eager_backend(mine), x, z))
    for got in results:
        np.testing.assert_allclose(numpy(got), np.reshape(truth, got.shape), rtol=4e-7)
