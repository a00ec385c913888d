"""What the tests for PyTorch share: tensors, the ways to run a function that is not eager, and where torch is wrong."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from ..oracle import bits  # noqa: E402

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
inf, nan = math.inf, math.nan

FROM_TORCH = [  # what torch says about itself
    pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:<class .torch.autograd.function.Function.>:DeprecationWarning"),
]


def numpy(tensor):
    """The tensor as an array, by another way than the library's."""
    tensor = tensor.detach().contiguous()
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(ml_dtypes.bfloat16).reshape(tensor.shape)
    return tensor.numpy()


def same_bits(tensor, array):
    assert tensor.shape == np.shape(array)
    np.testing.assert_array_equal(bits(numpy(tensor)), bits(array))


def sample(shape, dtype, seed=0):
    """Logits of all sizes, and labels."""
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(shape, generator=random) * 12
    return x.to(dtype), torch.rand(shape, generator=random).to(dtype)


def leaf(tensor):
    return tensor.detach().clone().requires_grad_()


# --- where torch's own losses are wrong


def value(function, x, z):
    return function(x, z)


def slope(function, x, z):
    x = leaf(x)
    return torch.autograd.grad(function(x, z).sum(), x)[0]


def curvature(function, x, z):
    x = leaf(x)
    (gradient,) = torch.autograd.grad(function(x, z).sum(), x, create_graph=True)
    return torch.autograd.grad(gradient.sum(), x)[0]


BCE = (ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits)
CE = (ours.cross_entropy, F.cross_entropy)
tail17, tail40 = math.log1p(math.exp(-17)), math.log1p(math.exp(-40))
DEFECTS = [  # what, of which functions, of which input and target; the truth, and what torch gives
    pytest.param(value, BCE, [-17.0], [0.0], [tail17], [0.0], id="a confident correct negative"),
    pytest.param(slope, BCE, [17.0], [1.0], [-tail17], [0.0], id="the gradient of a confident correct positive"),
    pytest.param(curvature, BCE, [17.0], [1.0], [tail17], [0.0], id="its second derivative"),
    pytest.param(value, BCE, [inf], [1.0], [0.0], [nan], id="a certain correct positive"),
    pytest.param(value, BCE, [-inf], [0.0], [0.0], [nan], id="a certain correct negative"),
    pytest.param(value, CE, [[40.0, 0.0]], [0], [tail40], [0.0], id="a confident correct class"),
    pytest.param(slope, CE, [[40.0, 0.0]], [0], [[-tail40, tail40]], [[0.0, tail40]], id="its gradient"),
    pytest.param(value, CE, [[-inf, 1.0, 2.0]], [[0.0, 1.0, 0.0]], [math.log1p(math.e)], [nan], id="an absent class"),
]


# --- transformed, traced and compiled


class Traced(TorchDispatchMode):
    """A dispatch mode that records nothing: every operation must still pass through it."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **(kwargs or {}))


def traced(function):
    def inside(*arguments):
        with Traced():
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
