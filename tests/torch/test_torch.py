"""PyTorch, eager: the bits of NumPy, and backward. No other framework is imported."""

import doctest
import importlib
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
ml_dtypes = pytest.importorskip("ml_dtypes")

import torch.nn.functional as F  # noqa: E402

import logitloss  # noqa: E402
import logitloss.torch as ours  # noqa: E402

from .support import DTYPES, leaf, numpy, same_bits, sample  # noqa: E402

inf, nan = math.inf, math.nan


@pytest.mark.parametrize("module", ["functional", "modules"])
def test_docstrings(module):
    failures, tried = doctest.testmod(importlib.import_module(f"logitloss.torch.{module}"))
    assert failures == 0
    assert tried > 2


# --- bit for bit ------------------------------------------------------------------------------------------------------


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
            value, gradient = logitloss.sigmoid_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(target))
            one = x.detach().requires_grad_()
            loss = ours.binary_cross_entropy_with_logits(one, target, reduction="none")
            loss.sum().backward()
            same_bits(loss, value)
            same_bits(one.grad, gradient)
            with torch.no_grad():
                same_bits(ours.binary_cross_entropy_with_logits(x, target, reduction="none"), value)
            total = logitloss.sigmoid_cross_entropy_total(logits=numpy(x), labels=numpy(target))
            for reduction in ("mean", "sum"):
                one = x.detach().requires_grad_()
                loss = ours.binary_cross_entropy_with_logits(one, target, reduction=reduction)
                loss.backward()
                want = total.mean() if reduction == "mean" else total.compute()
                same_bits(loss, numpy(torch.tensor(want, dtype=torch.float64).to(dtype)))
                _, gradient = logitloss.sigmoid_cross_entropy_mean_and_grad(logits=numpy(x), labels=numpy(target))
                if reduction == "mean":
                    same_bits(one.grad, gradient)
                with torch.no_grad():
                    same_bits(ours.binary_cross_entropy_with_logits(x, target, reduction=reduction), numpy(loss))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_softmax_values_and_gradients_are_numpys(dtype):
    x, z = sample((4, 6, 5, 5), dtype)
    y = torch.randint(0, 6, (4, 5, 5), generator=torch.Generator().manual_seed(0))
    for logits in (x, x.to(memory_format=torch.channels_last)):
        value, gradient = logitloss.softmax_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z), axis=1)
        one = leaf(logits)
        loss = ours.cross_entropy(one, z, reduction="none")
        loss.sum().backward()
        same_bits(loss, value)
        same_bits(one.grad, gradient)
        assert one.grad.stride() == logits.stride()
        last = np.moveaxis(numpy(x), 1, -1)
        mean, gradient = logitloss.sparse_softmax_cross_entropy_mean_and_grad(logits=last, labels=numpy(y))
        one = leaf(logits)
        loss = ours.cross_entropy(one, y.to(torch.int32))
        loss.backward()
        same_bits(loss, numpy(torch.tensor(mean, dtype=torch.float64).to(dtype)))
        same_bits(one.grad, np.moveaxis(gradient, -1, 1))
        with torch.no_grad():
            same_bits(ours.cross_entropy(x, y), numpy(loss))


def call(name, x, z, **options):
    return getattr(logitloss, name)(logits=x, labels=z, **options)


def as_tuple(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize("name", [name for name in logitloss.__all__ if "cross_entropy" in name])
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
    want = logitloss.sigmoid_cross_entropy_with_logits(logits=numpy(x), labels=[0.3, 1.0])
    for labels in ([0.3, 1.0], np.array([0.3, 1.0])):
        same_bits(logitloss.sigmoid_cross_entropy_with_logits(logits=x, labels=labels), want)
    assert logitloss.sigmoid_cross_entropy_with_logits(logits=torch.nn.Parameter(x), labels=[0.3, 1.0]).requires_grad


def test_softmax_along_any_axis():
    x, z = sample((3, 4, 5), torch.float32)
    for axis in (-3, -2, 0, 1, 2):
        value, gradient = logitloss.softmax_cross_entropy_value_and_grad(logits=numpy(x), labels=numpy(z), axis=axis)
        got = logitloss.softmax_cross_entropy_value_and_grad(logits=x, labels=z, axis=axis)
        same_bits(got[0], value)
        same_bits(got[1], gradient)
        out = torch.empty_like(x)
        _, gradient = logitloss.softmax_cross_entropy_mean_and_grad(
            logits=numpy(x), labels=numpy(z[:, :1, :1]), axis=axis
        )
        same_bits(
            logitloss.softmax_cross_entropy_mean_and_grad(logits=x, labels=z[:, :1, :1], axis=axis, out=out)[1],
            gradient,
        )
        same_bits(out, gradient)


def test_a_gradient_may_lie_across_its_input():
    memory = torch.randn(5001, generator=torch.Generator().manual_seed(0))
    z = torch.rand(5000)
    want = logitloss.sigmoid_cross_entropy_mean_and_grad(logits=memory[:-1].clone(), labels=z)
    got = logitloss.sigmoid_cross_entropy_mean_and_grad(logits=memory[:-1], labels=z, out=memory[1:])
    assert torch.equal(got[0], want[0])
    assert torch.equal(memory[1:], want[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_sum_beyond_the_largest_number_is_infinite(dtype):
    x = torch.full((10,), torch.finfo(dtype).max, dtype=dtype)
    z = torch.zeros_like(x)
    assert ours.binary_cross_entropy_with_logits(x, z, reduction="sum") == inf
    assert ours.binary_cross_entropy_with_logits(x, 2 - z, reduction="sum") == -inf
    assert ours.binary_cross_entropy_with_logits(x, z) == x[0]


# --- backward ---------------------------------------------------------------------------------------------------------


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
    exact = logitloss.sigmoid_cross_entropy_value_and_grad(logits=numpy(x.double()), labels=numpy(z.double()))[1]
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
        loss = logitloss.sigmoid_cross_entropy_with_logits(logits=one, labels=z)
        assert loss.dtype == torch.float32
        loss.sum().backward()
    same_bits(loss, logitloss.sigmoid_cross_entropy_with_logits(logits=numpy(x.float()), labels=numpy(z)))
    assert one.grad.dtype == narrow
