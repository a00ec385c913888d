"""PyTorch: compiled, exported, traced, on the meta device, subclasses and distributed tensors."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402
from functorch.compile import default_partition, make_boxed_compiler  # noqa: E402
from torch._dynamo.backends.common import aot_autograd  # noqa: E402
from torch._dynamo.testing import CompileCounter  # noqa: E402

import logitloss.torch as ours  # noqa: E402

from .support import (  # noqa: E402
    FROM_TORCH,
    FUNCTIONS,
    TRANSFORMS,
    W,
    Y,
    assert_same,
    both,
    compiled,
    eager_backend,
    inputs,
    leaf,
    sample,
)

pytestmark = FROM_TORCH


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
    counter = CompileCounter()
    torch._dynamo.reset()
    mine = torch.compile(ours.binary_cross_entropy_with_logits, fullgraph=True, dynamic=True, backend=counter)
    for n in (7, 8, 100):
        x, z = sample(n, torch.float32)
        torch.testing.assert_close(mine(x, z), ours.binary_cross_entropy_with_logits(x, z))
    assert counter.frame_count == 1


@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", "cross_entropy"])
def test_the_backward_graph_only_scales(name):
    """The gradient came with the loss, nothing is computed again, and nobody asked for its own derivative."""
    graphs = []
    keep = make_boxed_compiler(lambda graph, _: graphs.append(graph) or graph)
    backend = aot_autograd(fw_compiler=keep, bw_compiler=keep, partition_fn=default_partition)
    x, z = leaf(torch.randn(3, 4)), torch.tensor([0, 3, 1]) if name == "cross_entropy" else torch.rand(3, 4)
    compiled(getattr(ours, name), backend=backend)(x, z).backward()
    _, backward = graphs
    called = {str(node.target) for node in backward.graph.nodes if node.op == "call_function"}
    assert "aten.mul.Tensor" in called
    assert not called & {"aten.exp.default", "aten.amax.default"}


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
