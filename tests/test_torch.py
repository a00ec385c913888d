"""PyTorch, eager: the bits of NumPy, torch's own samples, its defects, and errors. No other framework is imported."""

import copy
import doctest
import importlib
import inspect
import itertools
import math
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402

import xent  # noqa: E402
import xent.torch as ours  # noqa: E402
from oracle import bits  # noqa: E402
from test_losses import EDGES, LN2  # noqa: E402

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
inf, nan = math.inf, math.nan


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


# --- torch's own samples ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def internal():
    """What torch tests itself with."""
    pytest.importorskip("expecttest")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal import common_methods_invocations, common_modules
    return common_methods_invocations.op_db, common_modules.module_db


def compare(mine, theirs, tensors):
    """Both values and all gradients."""
    one, other = [leaf(t) for t in tensors], [leaf(t) for t in tensors]
    got, want = mine(*one), theirs(*other)
    torch.testing.assert_close(got, want)
    got.sum().backward()
    want.sum().backward()
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", ["binary_cross_entropy_with_logits", "cross_entropy"])
def test_the_samples_of_the_functions(internal, name, dtype):
    (op,) = (op for op in internal[0] if op.name == f"nn.functional.{name}")
    count = 0
    for given in op.sample_inputs("cpu", dtype, requires_grad=False):
        mine, theirs = (
            lambda x, f=f, given=given: f(x, *given.args, **given.kwargs) for f in (getattr(ours, name), op.op)
        )
        compare(mine, theirs, [given.input])
        count += 1
    assert count > 20


@pytest.mark.parametrize("name", ["BCEWithLogitsLoss", "CrossEntropyLoss"])
def test_the_samples_of_the_modules(internal, name):
    (info,) = (info for info in internal[1] if info.module_cls.__name__ == name)
    count = 0
    for given in info.module_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=False, training=True):
        built, called = given.constructor_input, given.forward_input
        mine, theirs = (kind(*built.args, **built.kwargs) for kind in (getattr(ours, name), info.module_cls))
        rest = called.args[1:]
        compare(lambda x, m=mine, rest=rest: m(x, *rest), lambda x, m=theirs, rest=rest: m(x, *rest), [called.args[0]])
        count += 1
    assert count > 5


@pytest.mark.parametrize("number", range(6))
def test_the_wrong_samples_of_the_module(internal, number):
    (info,) = (info for info in internal[1] if info.module_cls is torch.nn.CrossEntropyLoss)
    wrong = info.module_error_inputs_func(info, device="cpu", dtype=torch.float64, requires_grad=False, training=True)
    wrong = [given for given in wrong if "floating point type" not in given.error_regex]  # whole probabilities are some
    assert len(wrong) == 6
    built, called = wrong[number].module_error_input.constructor_input, wrong[number].module_error_input.forward_input
    with pytest.raises(wrong[number].error_type, match=r"must (be|have)|is for class indices"):
        ours.CrossEntropyLoss(*built.args, **built.kwargs)(*called.args, **called.kwargs)


@pytest.mark.parametrize("kind", ["BCEWithLogitsLoss", "CrossEntropyLoss"])
def test_signatures_are_those_of_torch(kind):
    name = {"BCEWithLogitsLoss": "binary_cross_entropy_with_logits", "CrossEntropyLoss": "cross_entropy"}[kind]
    for mine, theirs in ((getattr(ours, kind), getattr(torch.nn, kind)), (getattr(ours, name), getattr(F, name))):
        want = [(p.name, p.default) for p in inspect.signature(theirs).parameters.values()]
        assert [(p.name, p.default) for p in inspect.signature(mine).parameters.values()] == want
    with pytest.warns(UserWarning, match="reduction='sum'"):
        assert getattr(ours, name)(torch.ones(2, 2), torch.ones(2, 2), size_average=False).shape == ()


WEIGHTS = [None, (5,), (6, 3, 5), (3, 1)]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_weights_broadcast_and_count_as_torchs(dtype, reduction):
    x, z = (t.clamp(-5, 5) for t in sample((6, 3, 5), dtype))
    for weight, pos_weight in itertools.product(WEIGHTS, WEIGHTS):
        w, p = (None if shape is None else sample(shape, dtype, 1)[1] * 2 for shape in (weight, pos_weight))
        mine, theirs = (
            lambda x, z, f=f, w=w, p=p: f(x, z, w, reduction=reduction, pos_weight=p)
            for f in (ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits)
        )
        compare(mine, theirs, [x, z])


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_class_weights_smoothing_and_ignored_rows_count_as_torchs(reduction):
    x, z = sample((6, 3, 5), torch.float64)
    y = torch.randint(0, 3, (6, 5), generator=torch.Generator().manual_seed(1))
    y[0, 2] = -100
    for weight, smoothing, ignored in itertools.product([None, torch.rand(3).double()], [0.0, 0.1, 1.0], [-100, 2]):
        for target in [y.clamp(0) if ignored == 2 else y, *([z] if ignored < 0 else [])]:
            mine, theirs = (
                lambda x, f=f, w=weight, s=smoothing, i=ignored, y=target: f(
                    x, y, w, reduction=reduction, label_smoothing=s, ignore_index=i
                )
                for f in (ours.cross_entropy, F.cross_entropy)
            )
            compare(mine, theirs, [x])


def test_ignored_rows_may_hold_anything():
    x = torch.tensor([[1.0, 2.0], [nan, inf], [3.0, 0.0]], requires_grad=True)
    for options in ({}, {"label_smoothing": 0.1}, {"weight": torch.tensor([1.0, 2.0])}):
        x.grad = None
        loss = ours.cross_entropy(x, torch.tensor([0, -100, 1]), **options)
        loss.backward()
        assert loss.isfinite()
        assert x.grad.isfinite().all()
        assert (x.grad[1] == 0).all()
        with torch.no_grad():
            assert ours.cross_entropy(x, torch.tensor([0, -100, 1]), **options) == loss
    assert ours.cross_entropy(x, torch.full((3,), -100)).isnan()  # as in torch: no row to take the mean over


# --- bit for bit -----------------------------------------------------------------------------------------------------


def layouts(x):
    yield x
    yield x.to(memory_format=torch.channels_last)
    yield x[:, ::2]
    yield x.transpose(0, 3)
    yield x[:1].expand(x.shape)
    yield x[0, 0, 0, 0]
    yield x[:0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_and_gradients_are_numpys(dtype):
    for x in layouts(sample((4, 6, 5, 5), dtype)[0]):
        z = torch.rand(x.shape).to(dtype)
        for target in (z, z > 0.5, (z > 0.5).long(), z.double(), (z > 0.5).to(torch.uint8)):
            value, gradient = xent.sigmoid_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(target))
            one = x.detach().requires_grad_()
            loss = ours.binary_cross_entropy_with_logits(one, target, reduction="none")
            loss.sum().backward()
            same_bits(loss, value)
            same_bits(one.grad, gradient)
            with torch.no_grad():
                same_bits(ours.binary_cross_entropy_with_logits(x, target, reduction="none"), value)
            total = xent.sigmoid_cross_entropy_total(logits=numpy(x), labels=numpy(target))
            for reduction in ("mean", "sum"):
                one = x.detach().requires_grad_()
                loss = ours.binary_cross_entropy_with_logits(one, target, reduction=reduction)
                loss.backward()
                want = total.mean() if reduction == "mean" else total.compute()
                same_bits(loss, numpy(torch.tensor(want, dtype=torch.float64).to(dtype)))
                _, gradient = xent.sigmoid_cross_entropy_mean_and_grad(logits=numpy(x), labels=numpy(target))
                if reduction == "mean":
                    same_bits(one.grad, gradient)
                with torch.no_grad():
                    same_bits(ours.binary_cross_entropy_with_logits(x, target, reduction=reduction), numpy(loss))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_values_and_gradients_are_numpys(dtype):
    x, z = sample((4, 6, 5, 5), dtype)
    y = torch.randint(0, 6, (4, 5, 5), generator=torch.Generator().manual_seed(0))
    for logits in (x, x.to(memory_format=torch.channels_last)):
        value, gradient = xent.softmax_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z), axis=1)
        one = leaf(logits)
        loss = ours.cross_entropy(one, z, reduction="none")
        loss.sum().backward()
        same_bits(loss, value)
        same_bits(one.grad, gradient)
        assert one.grad.stride() == logits.stride()
        last = np.moveaxis(numpy(x), 1, -1)
        mean, gradient = xent.sparse_softmax_cross_entropy_mean_and_grad(logits=last, labels=numpy(y))
        one = leaf(logits)
        loss = ours.cross_entropy(one, y.to(torch.int32))
        loss.backward()
        same_bits(loss, numpy(torch.tensor(mean, dtype=torch.float64).to(dtype)))
        same_bits(one.grad, np.moveaxis(gradient, -1, 1))
        with torch.no_grad():
            same_bits(ours.cross_entropy(x, y), numpy(loss))


def call(name, x, z, **options):
    return getattr(xent, name)(logits=x, labels=z, **options)


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", [name for name in xent.__all__ if "cross_entropy" in name])
def test_the_librarys_own_functions(name, grad):
    x, z = sample((6, 4), torch.float32)
    y = torch.tensor([3, 2, 1, 0, 3, 2])
    labels = y if name.startswith("sparse") else z
    options = {"pos_weight": 3.0} if name.startswith("weighted") else {}
    got = call(name, x.clone().requires_grad_(grad), labels, **options)
    want = call(name, numpy(x), numpy(labels), **options)
    if name.endswith("total"):
        assert got == want
        return
    for tensor, array in zip(as_tuple(got), as_tuple(want), strict=True):
        assert tensor.requires_grad == grad
        torch.testing.assert_close(tensor, torch.tensor(np.asarray(array, np.float32)), rtol=1e-6, atol=1e-9)
        if not (grad and ("mean" in name or "hess" in name)):  # to be differentiated, those are put together in torch
            same_bits(tensor, np.asarray(array, np.float32))
    if grad:
        sum(tensor.sum() for tensor in as_tuple(got)).backward()
    if "mean" in name and not grad:
        out = torch.full_like(x, 7)
        _, gradient = call(name, x, labels, out=out)
        assert gradient.data_ptr() == out.data_ptr()
        same_bits(out, want[1])


def test_labels_that_are_no_tensors_follow_the_logits():
    x = torch.tensor([0.5, -1.0], requires_grad=True)
    want = xent.sigmoid_cross_entropy_with_logits(logits=numpy(x), labels=[0.3, 1.0])
    for labels in ([0.3, 1.0], np.array([0.3, 1.0])):
        same_bits(xent.sigmoid_cross_entropy_with_logits(logits=x, labels=labels), want)
    assert xent.sigmoid_cross_entropy_with_logits(logits=torch.nn.Parameter(x), labels=[0.3, 1.0]).requires_grad


def test_softmax_along_any_axis():
    x, z = sample((3, 4, 5), torch.float32)
    for axis in (-3, -2, 0, 1, 2):
        value, gradient = xent.softmax_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z), axis=axis)
        got = xent.softmax_cross_entropy_value_and_grad(logits=x, labels=z, axis=axis)
        same_bits(got[0], value)
        same_bits(got[1], gradient)
        out = torch.empty_like(x)
        _, gradient = xent.softmax_cross_entropy_mean_and_grad(logits=numpy(x), labels=numpy(z[:, :1, :1]), axis=axis)
        same_bits(
            xent.softmax_cross_entropy_mean_and_grad(logits=x, labels=z[:, :1, :1], axis=axis, out=out)[1], gradient
        )
        same_bits(out, gradient)


def test_a_gradient_may_lie_across_its_input():
    memory = torch.randn(5001, generator=torch.Generator().manual_seed(0))
    z = torch.rand(5000)
    want = xent.sigmoid_cross_entropy_mean_and_grad(logits=memory[:-1].clone(), labels=z)
    got = xent.sigmoid_cross_entropy_mean_and_grad(logits=memory[:-1], labels=z, out=memory[1:])
    assert torch.equal(got[0], want[0])
    assert torch.equal(memory[1:], want[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_sum_beyond_the_largest_number_is_infinite(dtype):
    x = torch.full((10,), torch.finfo(dtype).max, dtype=dtype)
    z = torch.zeros_like(x)
    assert ours.binary_cross_entropy_with_logits(x, z, reduction="sum") == inf
    assert ours.binary_cross_entropy_with_logits(x, 2 - z, reduction="sum") == -inf
    assert ours.binary_cross_entropy_with_logits(x, z) == x[0]


# --- backward --------------------------------------------------------------------------------------------------------


def test_the_gradient_is_handed_over_once():
    x, z = sample(1000, torch.float32)
    x = leaf(x)
    loss = ours.binary_cross_entropy_with_logits(x, z)
    place = loss.grad_fn.gradient.data_ptr()
    loss.backward(retain_graph=True)
    assert x.grad.data_ptr() == place  # no copy of it was made
    once = x.grad.clone()
    loss.backward(retain_graph=True)
    loss.backward()
    torch.testing.assert_close(x.grad, 3 * once, rtol=1e-6, atol=0)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        loss.backward()


@pytest.mark.parametrize("factor", [1.0, 1024.0, -3.0, 0.0, 1e-4])
def test_a_scaled_float16_gradient_is_rounded_once(factor):
    """The mean over many elements is subnormal in float16, and the loss scale would come too late."""
    x, z = sample(100_000, torch.float16)
    x = leaf(x)
    (ours.binary_cross_entropy_with_logits(x, z) * factor).backward()
    exact = xent.sigmoid_cross_entropy_value_and_grad(logits=numpy(x.double()), labels=numpy(z.double()))[1]
    want = exact * (float(torch.tensor(factor, dtype=torch.float16)) / x.numel())
    error = abs(numpy(x.grad).astype(float) - want)
    assert (error <= 0.5001 * np.spacing(np.maximum(abs(want), 2.0**-14).astype(np.float16)).astype(float)).all()


def test_a_changed_input_is_noticed():
    x, z = sample(10, torch.float32)
    x = leaf(x)
    y = x * 1
    loss = ours.binary_cross_entropy_with_logits(y, z, reduction="none")
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.sum().backward()


@pytest.mark.parametrize("narrow", [torch.float16, torch.bfloat16], ids=str)
def test_under_autocast_losses_are_float32(narrow):
    x, z = sample((6, 4), narrow)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        for mine, theirs, target in (
            (ours.binary_cross_entropy_with_logits, F.binary_cross_entropy_with_logits, z),
            (ours.cross_entropy, F.cross_entropy, torch.tensor([0, 1, 2, 3, 0, 1])),
        ):
            assert mine(x, target).dtype == theirs(x, target).dtype == torch.float32
            assert mine(x.double(), target.double() if target is z else target).dtype == torch.float64
        one = leaf(x)
        loss = xent.sigmoid_cross_entropy_with_logits(logits=one, labels=z)
        assert loss.dtype == torch.float32
        loss.sum().backward()
    same_bits(loss, xent.sigmoid_cross_entropy_with_logits(logits=numpy(x.float()), labels=numpy(z)))
    assert one.grad.dtype == narrow


# --- edges and defects -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize(("x", "z", "loss", "gradient", "hessian"), EDGES)
def test_edges(x, z, loss, gradient, hessian, dtype):
    x, z = torch.tensor([x], dtype=dtype, requires_grad=True), torch.tensor([z], dtype=dtype, requires_grad=True)
    got = xent.sigmoid_cross_entropy_with_logits(logits=x, labels=z)
    got.backward()
    if loss is not None:
        same_bits(got, xent.sigmoid_cross_entropy_with_logits(logits=numpy(x), labels=numpy(z)))
        assert loss is LN2 or np.isclose(got.item(), loss, equal_nan=True)
    assert np.isclose(x.grad.item(), gradient, equal_nan=True)
    assert np.isclose(z.grad.item(), -x.item(), equal_nan=True)
    if hessian is not None:
        _, second = xent.sigmoid_cross_entropy_grad_and_hess(logits=x, labels=z)
        assert np.isclose(second.item(), hessian, equal_nan=True)


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


# --- training --------------------------------------------------------------------------------------------------------


def curve(loss, target, outputs):
    """The losses of a small network that learns something about digits."""
    datasets = pytest.importorskip("sklearn.datasets")
    digits = datasets.load_digits()
    x, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(64, 32), torch.nn.ReLU(), torch.nn.Linear(32, outputs))
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        value = loss(model(x), target(y))
        value.backward()
        optimizer.step()
        losses.append(float(value.detach()))
    return losses


def properties(y):
    """Four labels of a digit: even, above four, prime, with a loop."""
    return torch.stack(
        [y % 2 == 0, y > 4, torch.isin(y, torch.tensor([2, 3, 5, 7])), torch.isin(y, torch.tensor([0, 6, 8, 9]))], 1
    )


def test_a_model_learns_the_same():
    mine = curve(ours.BCEWithLogitsLoss(), properties, 4)
    theirs = curve(torch.nn.BCEWithLogitsLoss(), lambda y: properties(y).float(), 4)
    np.testing.assert_allclose(mine, theirs, rtol=1e-3)
    assert mine[-1] < 0.25 < mine[0]
    mine, theirs = (curve(loss, lambda y: y, 10) for loss in (ours.CrossEntropyLoss(), torch.nn.CrossEntropyLoss()))
    np.testing.assert_allclose(mine, theirs, rtol=1e-3)
    assert mine[-1] < 0.25 < mine[0]


# --- errors ----------------------------------------------------------------------------------------------------------

X, Z, Y = torch.ones(4, 3), torch.ones(4, 3), torch.tensor([0, 1, 2, 0])
bce, ce = ours.binary_cross_entropy_with_logits, ours.cross_entropy
lib, soft, sparse = (
    lambda x, z, f=f, **options: f(logits=x, labels=z, **options)
    for f in (
        xent.sigmoid_cross_entropy_with_logits,
        xent.softmax_cross_entropy_with_logits,
        xent.sparse_softmax_cross_entropy_with_logits,
    )
)
ERRORS = [
    (lambda: bce([1.0], Z), TypeError, "input must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(None, None), TypeError, "input must be a torch.Tensor, got NoneType. Convert with torch.as_tensor."),
    (lambda: bce(X, None), TypeError, "target must be a torch.Tensor, got NoneType. Convert with torch.as_tensor."),
    (lambda: bce(X, [1.0]), TypeError, "target must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(X, Z, [1.0]), TypeError, "weight must be a torch.Tensor, got list. Convert with torch.as_tensor."),
    (lambda: bce(X, Z[:2]), ValueError, "target must have the shape of input, got target of shape (2, 3) for input of shape (4, 3). Reshape one."),
    (lambda: bce(X.long(), Z), NotImplementedError, "input must be float16, bfloat16, float32 or float64, got dtype torch.int64. Convert with input.to(...)."),
    (lambda: bce(X + 0j, Z), NotImplementedError, "input must be float16, bfloat16, float32 or float64, got a complex one (torch.complex64). Pass real numbers."),
    (lambda: bce(X, Z + 0j), NotImplementedError, "target must be a float of at most 64 bits, an integer or bool, got a complex one (torch.complex64). Pass real numbers."),
    (lambda: bce(X.to_sparse(), Z), NotImplementedError, "input must be a dense tensor, got layout torch.sparse_coo. Convert with input.to_dense()."),
    (lambda: bce(X, Z.to("meta")), RuntimeError, "input and target must be on one device, got cpu and meta. Move one with target.to(input.device)."),
    (lambda: bce(X, Z, pos_weight=Z.to("meta")), RuntimeError, "input and pos_weight must be on one device, got cpu and meta. Move one with pos_weight.to(input.device)."),
    (lambda: bce(X, Z, torch.ones(7)), RuntimeError, "weight must broadcast to the shape of input without enlarging it, got (7,) for input of shape (4, 3). Pass a scalar or one weight per last axis."),
    (lambda: bce(X, Z, pos_weight=torch.ones(2, 4, 3)), RuntimeError, "pos_weight must broadcast to the shape of input without enlarging it, got (2, 4, 3) for input"),
    (lambda: bce(X, Z, reduction="avg"), ValueError, "reduction must be 'mean', 'sum' or 'none', got 'avg'. Pass one of them."),
    (lambda: ce(X, Y[:2]), ValueError, "target must have class indices of shape (4,), or probabilities of the shape of input, (4, 3), got shape (2,). Reshape one."),
    (lambda: ce(X, Z[:, :2].long()), RuntimeError, "target must have class indices of shape (4,), or probabilities of the shape of input, (4, 3), got shape (4, 2). Reshape one."),
    (lambda: ce(torch.tensor(1.0), Y), ValueError, "input must have at least one class, of shape (C), (N, C) or (N, C, ...), got (). Pass one logit per class."),
    (lambda: ce(X[:, :0], Y), ValueError, "input must have at least one class, of shape (C), (N, C) or (N, C, ...), got (4, 0)."),
    (lambda: ce(X, Y.float()), RuntimeError, "target must be integer class indices, or have the shape of input, (4, 3), got dtype torch.float32 and shape (4,). Convert with target.long()."),
    (lambda: ce(X, Y + 1), IndexError, "target must be class indices from 0 to 2, got 3 at target[2]. Correct it, or drop the row."),
    (lambda: ce(X, Y, torch.ones(2)), RuntimeError, "weight must have shape (3,), one for each class, got (2,). Reshape it."),
    (lambda: ce(X, Y, label_smoothing=1.5), RuntimeError, "label_smoothing must be from 0 to 1, got 1.5. It is a share of each target."),
    (lambda: ce(X, Y, label_smoothing="a"), TypeError, "label_smoothing must be a number, got 'a'. It is a share of each target."),
    (lambda: ce(X, Y, ignore_index=1.5), TypeError, "ignore_index must be an integer of 64 bits, got 1.5. Pass a class index."),
    (lambda: ce(X, Y, ignore_index=2**63), TypeError, "ignore_index must be an integer of 64 bits, got 9223372036854775808. Pass"),
    (lambda: ce(X, Z, ignore_index=1), RuntimeError, "ignore_index is for class indices, got 1 with probabilities. Leave it out, and drop the rows to ignore."),
    (lambda: lib(X, None, name="n"), ValueError, "n: both labels and logits must be provided, labels missing. Pass both."),
    (lambda: lib(X, Z[0], name="n"), ValueError, "n: logits and labels must have the same shape, got (4, 3) and (3,)."),
    (lambda: lib(X.long(), Z, name="n"), TypeError, "n: logits must be float16, bfloat16, float32 or float64, got dtype torch.int64. Convert with logits.to(...)."),
    (lambda: lib(X, Z.to_sparse(), name="n"), TypeError, "n: labels must be a dense tensor, got layout torch.sparse_coo."),
    (lambda: lib(X, "a"), TypeError, "labels must be a torch.Tensor, got str. Convert with torch.as_tensor."),
    (lambda: ours.sigmoid_cross_entropy_with_logits(logits=[1.0], labels=[1.0]), TypeError, "logits must be a torch.Tensor, got list."),
    (lambda: xent.weighted_cross_entropy_with_logits(logits=X, labels=Z, pos_weight=[1, 2]), ValueError, "pos_weight must broadcast to the shape of logits without enlarging it, got (2,) for logits of shape (4, 3)."),
    (lambda: soft(X, Z[:2]), ValueError, "labels must have the shape of logits, or broadcast to it without enlarging it, got (2, 3) for logits of shape (4, 3)."),
    (lambda: soft(X, Z, axis=2), ValueError, "axis must be an integer from -2 to 1 for logits of shape (4, 3), got 2."),
    (lambda: sparse(X, Y + 1), ValueError, "labels must be class indices from 0 to 2, got 3 at labels[2]."),
    (lambda: sparse(X, Y.float()), TypeError, "labels must be integer class indices, got dtype torch.float32."),
    (lambda: xent.sigmoid_cross_entropy_mean_and_grad(logits=leaf(X), labels=Z, out=X), RuntimeError, "out cannot take a gradient that is differentiated in its turn. Leave it out, or detach the logits."),
    (lambda: xent.sigmoid_cross_entropy_mean_and_grad(logits=X, labels=Z, out=X.double()), TypeError, "out must be a tensor of dtype torch.float32, that of logits, got torch.float64. Allocate it like logits."),
    (lambda: xent.sigmoid_cross_entropy_mean_and_grad(logits=X, labels=Z, out=X[0]), ValueError, "out must have shape (4, 3), that of logits, got (3,). Use torch.empty_like(logits)."),
    (lambda: xent.sigmoid_cross_entropy_total(logits=X.to("meta"), labels=Z.to("meta")), RuntimeError, "logits and labels must hold values to be summed exactly, got tensors that are traced, transformed or on the meta device. Sum the losses"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "kind", "text"), ERRORS)
def test_errors(wrong, kind, text):
    with pytest.raises(Exception) as raised:  # noqa: PT011
        wrong()
    assert raised.type is kind
    assert str(raised.value).startswith(text)


@pytest.mark.parametrize("module", ["functional", "modules"])
def test_docstrings(module):
    failures, tried = doctest.testmod(importlib.import_module(f"xent.torch.{module}"))
    assert failures == 0
    assert tried > 2


def test_modules_hold_what_torchs_hold():
    weight = torch.tensor([1.0, 2.0, 3.0])
    for kind, buffers in (
        ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight * 2}),
        ("CrossEntropyLoss", {"weight": weight}),
    ):
        mine, theirs = getattr(ours, kind)(**buffers), getattr(torch.nn, kind)(**buffers)
        assert isinstance(mine, getattr(torch.nn, kind))
        assert mine.state_dict().keys() == theirs.state_dict().keys() == buffers.keys()
        mine.load_state_dict(theirs.state_dict())
        assert repr(mine) == repr(theirs)
        target = Z if kind.startswith("B") else Y
        for copied in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
            assert copied(X, target) == mine(X, target)
        torch.testing.assert_close(mine(X, target), theirs(X, target))
