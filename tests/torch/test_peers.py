"""logitloss's losses in place of torch's own: its samples, its modules, and training."""

import copy
import inspect
import itertools
import math
import pickle
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402

import logitloss.torch as ours  # noqa: E402

from .support import leaf, sample  # noqa: E402

inf, nan = math.inf, math.nan


# --- torch's own samples ----------------------------------------------------------------------------------------------


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


# --- modules and training ---------------------------------------------------------------------------------------------


def test_modules_hold_what_torchs_hold():
    weight = torch.tensor([1.0, 2.0, 3.0])
    x, z, y = torch.ones(4, 3), torch.ones(4, 3), torch.tensor([0, 1, 2, 0])
    for kind, buffers in (
        ("BCEWithLogitsLoss", {"weight": weight, "pos_weight": weight * 2}),
        ("CrossEntropyLoss", {"weight": weight}),
    ):
        mine, theirs = getattr(ours, kind)(**buffers), getattr(torch.nn, kind)(**buffers)
        assert isinstance(mine, getattr(torch.nn, kind))
        assert mine.state_dict().keys() == theirs.state_dict().keys() == buffers.keys()
        mine.load_state_dict(theirs.state_dict())
        assert repr(mine) == repr(theirs)
        target = z if kind.startswith("B") else y
        for copied in (copy.deepcopy(mine), pickle.loads(pickle.dumps(mine))):
            assert copied(x, target) == mine(x, target)
        torch.testing.assert_close(mine(x, target), theirs(x, target))


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
