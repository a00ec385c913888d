"""PyTorch, not eager: transformed, watched, compiled. The formulas and their derivatives."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from ..edges import EDGES  # noqa: E402
from .test_edges import DEFECTS  # noqa: E402
from .test_torch import leaf, numpy, sample  # noqa: E402

pytestmark = [  # what torch says about itself
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:<class .torch.autograd.function.Function.>:DeprecationWarning"),
]

inf, nan = math.inf, math.nan


class Watched(TorchDispatchMode):
    """A mode that only looks on: nothing may be computed behind its back."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def watched(function):
    def inside(*arguments):
        with Watched():
            return function(*arguments)

    return inside


def compiled(function, **options):
    torch._dynamo.reset()
    return torch.compile(function, fullgraph=True, **options)


def eager_backend(function):
    return compiled(function, backend="aot_eager")


def of_library(function, **options):
    return lambda x, z: getattr(logitloss, function)(logits=x, labels=z, **options)


Y = torch.tensor([0, 1, 2, 1, 0])
W = torch.tensor([[0.5, 2.0, 1.5]], dtype=torch.float64)
IGNORED = torch.tensor([0, 1, 2, 1, -100])
FUNCTIONS = {
    "mean": (ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits),
    "weights": tuple(
        lambda x, z, f=f: f(x, z, weight=W, pos_weight=W[0], reduction="sum")
        for f in (ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits)
    ),
    "sigmoid": (of_library("sigmoid_cross_entropy_with_logits", name="a range"), lambda x, z: F.softplus(x) - x * z),
    "sigmoid gradient": (
        lambda x, z: of_library("sigmoid_cross_entropy_value_and_grad")(x, z)[1],
        lambda x, z: torch.sigmoid(x) - z,
    ),
    "sigmoid hessian": (
        lambda x, z: of_library("sigmoid_cross_entropy_grad_and_hess")(x, z)[1],
        lambda x, z: torch.sigmoid(x) * torch.sigmoid(-x),
    ),
    "weighted": (
        of_library("weighted_cross_entropy_with_logits", pos_weight=W.expand(5, 3)),
        lambda x, z: W * z * F.softplus(-x) + (1 - z) * F.softplus(x),
    ),
    "probabilities": (ours.cross_entropy, F.cross_entropy),
    "classes": tuple(lambda x, z, f=f: f(x, IGNORED) for f in (ours.cross_entropy, F.cross_entropy)),
    "smoothed": tuple(
        lambda x, z, f=f: f(x, IGNORED, weight=W[0], label_smoothing=0.1) for f in (ours.cross_entropy, F.cross_entropy)
    ),
    "softmax": (
        of_library("softmax_cross_entropy_with_logits", axis=0),
        lambda x, z: -(z * torch.log_softmax(x, 0)).sum(0),
    ),
    "softmax gradient": (
        lambda x, z: of_library("softmax_cross_entropy_value_and_grad")(x, z)[1],
        lambda x, z: torch.softmax(x, -1) * z.sum(-1, keepdim=True) - z,
    ),
    "sparse": (
        lambda x, z: of_library("sparse_softmax_cross_entropy_with_logits")(x, Y),
        lambda x, z: F.cross_entropy(x, Y, reduction="none"),
    ),
}
TRANSFORMS = {
    "value": lambda f: f,
    "reverse": lambda f: torch.func.jacrev(f, (0, 1)),
    "forward": lambda f: torch.func.jacfwd(f, (0, 1)),
    "hessian": lambda f: torch.func.hessian(f, (0, 1)),
    "reverse over reverse": lambda f: torch.func.jacrev(torch.func.jacrev(f, (0, 1)), (0, 1)),
    "reverse over forward": lambda f: torch.func.jacrev(torch.func.jacfwd(f, (0, 1)), (0, 1)),
    "third": lambda f: torch.func.jacrev(torch.func.hessian(lambda x, z: f(x, z).sum(), (0, 1)), (0, 1)),
    "of each": lambda f: torch.vmap(torch.func.grad(lambda x, z: f(x, z).sum()), in_dims=(0, 0)),
}
both = pytest.mark.parametrize("name", FUNCTIONS)


def inputs():
    x, z = sample((5, 3), torch.float64)
    return x / 6, z


def assert_same(got, want):
    for a, b in zip(pytree.tree_leaves(got), pytree.tree_leaves(want), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)


# --- derivatives ------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("wrap", [lambda f: f, watched, eager_backend], ids=["transformed", "watched", "compiled"])
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


@pytest.mark.parametrize("wrap", [watched, eager_backend], ids=["watched", "compiled"])
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
    results = [watched(lambda x, z: what(mine, x, z))(x, z)]
    if what.__name__ != "curvature":  # torch differentiates a compiled function once
        results.append(what(eager_backend(mine), x, z))
    for got in results:
        np.testing.assert_allclose(numpy(got), np.reshape(truth, got.shape), rtol=4e-7)
