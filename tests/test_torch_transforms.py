"""PyTorch, not eager: compiled, exported, transformed, watched. The formulas, their derivatives and their bounds."""

import math
import pathlib
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402
from torch.utils import _pytree as pytree  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

import xent  # noqa: E402
import xent.torch as ours  # noqa: E402
from test_losses import EDGES  # noqa: E402
from test_torch import DEFECTS, DTYPES, leaf, numpy, sample  # noqa: E402

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
    return lambda x, z: getattr(xent, function)(logits=x, labels=z, **options)


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


# --- derivatives -----------------------------------------------------------------------------------------------------


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
    mine = lambda x, z, w: xent.weighted_cross_entropy_with_logits(logits=x, labels=z, pos_weight=w)  # noqa: E731
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


# --- graphs ----------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("transform", ["reverse", "hessian"])
def test_compiled_transforms(name, transform):
    x, z = inputs()
    mine, theirs = (TRANSFORMS[transform](f) for f in FUNCTIONS[name])
    assert_same(eager_backend(mine)(x, z), theirs(x, z))


@both
def test_compiled_with_backward_and_dynamic_shapes(name):
    x, z = inputs()
    mine = eager_backend(FUNCTIONS[name][0]) if name == "sigmoid" else compiled(FUNCTIONS[name][0], dynamic=True)
    one, other = [leaf(x), leaf(z)], [leaf(x), leaf(z)]
    got, want = mine(*one), FUNCTIONS[name][1](*other)
    assert_same(got, want)
    got.sum().backward()
    want.sum().backward()
    for a, b in zip(one, other, strict=True):
        assert_same(torch.zeros(()) if a.grad is None else a.grad, torch.zeros(()) if b.grad is None else b.grad)


def test_one_graph_for_all_sizes():
    counter = torch._dynamo.testing.CompileCounter()
    torch._dynamo.reset()
    mine = torch.compile(ours.binary_cross_entropy_with_logits, fullgraph=True, dynamic=True, backend=counter)
    for n in (7, 8, 100):
        x, z = sample(n, torch.float32)
        torch.testing.assert_close(mine(x, z), ours.binary_cross_entropy_with_logits(x, z))
    assert counter.frame_count == 1


@both
@pytest.mark.parametrize("strict", [True, False])
def test_export(name, strict):
    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("w", W)

        def forward(self, x, z):
            return FUNCTIONS[name][0](x, z)

    if strict and name in ("weights", "weighted", "classes", "smoothed", "sparse"):
        pytest.skip("strict export takes no tensor from outside of the model")
    x, z = inputs()
    program = torch.export.export(Model(), (x, z), strict=strict)
    assert_same(program.module()(-x, z), FUNCTIONS[name][1](-x, z))


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
def test_traced():
    x, z = inputs()
    traced = torch.jit.trace(ours.binary_cross_entropy_with_logits, (x, z))
    assert_same(traced(-x, z), F.binary_cross_entropy_with_logits(-x, z))


def test_functional_graphs():
    from torch.fx.experimental.proxy_tensor import make_fx

    x, z = inputs()
    graph = make_fx(lambda x, z: ours.cross_entropy(x, z))(x, z)
    assert_same(graph(-x, z), F.cross_entropy(-x, z))


def test_meta_and_fake_tensors():
    from torch._subclasses import FakeTensorMode

    for name, (mine, theirs) in FUNCTIONS.items():
        if name in ("weights", "weighted", "classes", "smoothed", "sparse"):
            continue
        x = torch.empty(5, 3, device="meta", dtype=torch.bfloat16, requires_grad=True)
        got, want = mine(x, x.detach()), theirs(x, x.detach())
        assert (got.device, got.shape, got.dtype) == (want.device, want.shape, want.dtype)
        got.sum().backward()
        assert x.grad.device.type == "meta"
        with FakeTensorMode() as mode:
            fake = [mode.from_tensor(t) for t in inputs()]
            assert mine(*fake).shape == theirs(*fake).shape


def test_subclasses():
    class Tagged(torch.Tensor):
        pass

    x, z = inputs()
    for mine, theirs in FUNCTIONS.values():
        got = mine(x.as_subclass(Tagged), z)
        assert type(got) is Tagged
        assert_same(got.as_subclass(torch.Tensor), theirs(x, z))
    for target in (z, Y):
        assert type(ours.cross_entropy(x, target, weight=W[0].as_subclass(Tagged))) is Tagged


@pytest.fixture(scope="module")
def mesh(tmp_path_factory):
    """A mesh of one process."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_gloo_available()):
        pytest.skip("this torch has no gloo")
    store = distributed.FileStore(str(tmp_path_factory.mktemp("store") / "file"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield distributed.init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


@pytest.mark.filterwarnings("ignore")  # of the collectives about themselves
@pytest.mark.parametrize("name", ["mean", "sigmoid", "probabilities"])
def test_distributed_tensors(mesh, name):
    from torch.distributed.tensor import Shard, distribute_tensor

    x, z = inputs()
    one, labels = leaf(distribute_tensor(x, mesh, [Shard(0)])), distribute_tensor(z, mesh, [Shard(0)])
    mine, theirs = FUNCTIONS[name]
    got = mine(one, labels)
    assert type(got) is type(labels)
    assert_same(got.full_tensor(), theirs(x, z))
    got.sum().backward()
    assert_same(one.grad.full_tensor(), torch.func.grad(lambda x: theirs(x, z).sum())(x))
    classes = distribute_tensor(Y, mesh, [Shard(0)])
    assert_same(ours.cross_entropy(one.detach(), classes).full_tensor(), F.cross_entropy(x, Y))


# --- right everywhere, and how right ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [watched, eager_backend], ids=["watched", "compiled"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_edges(wrap, dtype):
    rows = [row for row in EDGES if row[2] is not None]
    x, z = (torch.tensor([row[i] for row in rows], dtype=dtype) for i in (0, 1))
    want = xent.sigmoid_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z))

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


PAGE = (pathlib.Path(__file__).parents[1] / "docs" / "hosts" / "pytorch.md").read_text()
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
    yield watched(of_library(name.replace("with_logits", "value_and_grad")))
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
            loss, gradient = xent.sigmoid_cross_entropy_value_and_grad(
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
            xent.sigmoid_cross_entropy_value_and_grad(logits=double[0], labels=np.full(x.shape, label))[1]
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
            function = getattr(xent, name.replace("with_logits", "value_and_grad"))
            loss, gradient = function(logits=x.double().numpy(), labels=z.double().numpy() if soft else z.numpy())
            got = way(x, z)
            assert ulps(got[0], loss, loss, dtype) <= BOUNDS[dtype][2]
            terms = np.maximum(abs(gradient), z.double().numpy()) if soft else gradient
            assert ulps(got[1], gradient, terms, dtype) <= BOUNDS[dtype][3]
