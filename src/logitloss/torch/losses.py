"""The library's own functions for tensors, of the same names and arguments; formulas and promises are those there.

Results are tensors on the device of the logits, of their dtype, and differentiable. Under autocast float16 and bfloat16
logits count as float32, as in torch's own losses. ``name`` is a range in the profiler.
"""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import torch

from .. import _checks as checks
from .._exact import ExactSum
from . import _sigmoid, _softmax
from ._checks import INTEGERS, OURS, gradient_out, tensors, weight
from ._kernels import autocast, differentiates, eager, empty_like, has_kernel
from ._operations import compute_dtype
from ._reductions import scalar, summed

Tensor = torch.Tensor


def sigmoid_cross_entropy_with_logits(*, labels: Any, logits: Tensor, name: str | None = None) -> Tensor:
    """Return the sigmoid cross entropy, element by element.

    With x = logits, z = labels::

        loss = z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape; labels of any float, integer or bool dtype. The losses have the shape and dtype of
    the logits. At infinite logits they are the limit, with 0 * inf = 0; a nan gives nan.
    Tensors on the CPU have the bits of NumPy arrays; under autocast 16-bit logits count as float32. ``name`` is a range
    in the profiler.
    """
    with _range(name):
        return _sigmoid.loss(*_pair(labels, logits, name))


def sigmoid_cross_entropy_value_and_grad(*, labels: Any, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the sigmoid cross entropy and its derivative with respect to the logits, in one pass.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The gradient is 1 - z at inf
    and -z at -inf.
    """
    return _sigmoid.value_and_grad(*_pair(labels, logits))


def sigmoid_cross_entropy_grad_and_hess(*, labels: Any, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the first and second derivative of the sigmoid cross entropy with respect to the logits.

    With x = logits, z = labels::

        gradient = sigmoid(x) - z
        hessian  = sigmoid(x) * sigmoid(-x)

    Labels and logits of one shape. Both results have the shape and dtype of the logits. The hessian is 0 at infinities.
    """
    return _sigmoid.grad_and_hess(*_pair(labels, logits))


def sigmoid_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean of the sigmoid cross entropy and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean     = sum(loss) / n,   n = the number of elements
        gradient = (sigmoid(x) - z) / n

    Labels and logits of one shape. The gradient has the shape and dtype of the logits. The mean of no elements is nan.
    The mean is a tensor of rank 0; on the CPU it is exact and rounded once. ``out`` takes the gradient.
    """
    x, z = _pair(labels, logits)
    return _mean_and_grad(_sigmoid, x, z, x.numel(), out)


def sigmoid_cross_entropy_total(*, labels: Any, logits: Tensor) -> ExactSum:
    """Return the exact sum of the sigmoid cross entropy as an :class:`logitloss.ExactSum`.

    With x = logits, z = labels::

        total = sum(z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x)))

    Labels and logits of one shape, whose values must be known. The total is a number of Python, not differentiable.
    """
    x, z = _pair(labels, logits)
    if not eager(x, z):
        raise RuntimeError(
            "logits and labels must hold values to be summed exactly, got tensors that are traced, transformed or on "
            "the meta device. Sum the losses of sigmoid_cross_entropy_with_logits."
        )
    if has_kernel(x, z):
        return _sigmoid.total(x, z)
    (losses,) = compute_dtype(_sigmoid.loss(x.detach(), z.detach()))
    return ExactSum(losses.cpu().numpy())


def weighted_cross_entropy_with_logits(
    *, labels: Any, logits: Tensor, pos_weight: Any, name: str | None = None
) -> Tensor:
    """Return the sigmoid cross entropy whose positive part has a weight.

    With x = logits, z = labels, w = pos_weight::

        loss = w * z * -log(sigmoid(x)) + (1 - z) * -log(1 - sigmoid(x))

    Labels and logits of one shape, pos_weight broadcasting to it. The losses have the shape and dtype of the logits.
    """
    with _range(name):
        x, z = _pair(labels, logits, name)
        return _sigmoid.loss(x, z, weight(OURS, "pos_weight", _tensor(pos_weight, x), x, name))


def softmax_cross_entropy_with_logits(
    *, labels: Any, logits: Tensor, axis: int = -1, name: str | None = None
) -> Tensor:
    """Return the softmax cross entropy with distributions as labels, one loss per row.

    With x = logits, z = labels::

        loss = sum_j z_j * -log(softmax(x)_j)     over the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``. A logit of -inf is an
    absent class: it adds nothing beside a label of 0.
    """
    with _range(name):
        x, z, _ = _rows(labels, logits, axis, name)
        return _softmax.loss(x, z)


def softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Tensor, axis: int = -1) -> tuple[Tensor, Tensor]:
    """Return the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        gradient_j = sum(z) * softmax(x)_j - z_j     for the classes j along axis

    Labels broadcast to the shape of the logits. The losses have that shape without ``axis``, the gradient has it whole.
    """
    x, z, axis = _rows(labels, logits, axis)
    loss, gradient = _softmax.value_and_grad(x, z)
    return loss, gradient.movedim(-1, axis)


def softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Tensor, axis: int = -1, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean of the softmax cross entropy with distributions and its derivative with respect to the logits.

    With x = logits, z = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (sum(z) * softmax(x)_j - z_j) / n

    Labels broadcast to the shape of the logits, with the classes along ``axis``.
    The mean is a tensor of rank 0; on the CPU it is exact and rounded once. ``out`` takes the gradient.
    """
    x, z, axis = _rows(labels, logits, axis)
    out = None if out is None else gradient_out(out, logits).movedim(axis, -1)
    mean, gradient = _mean_and_grad(_softmax, x, z, x.numel() // x.shape[-1], out)
    return mean, gradient.movedim(-1, axis)


def sparse_softmax_cross_entropy_with_logits(*, labels: Any, logits: Tensor, name: str | None = None) -> Tensor:
    """Return the softmax cross entropy with class indices as labels, one loss per row.

    With x = logits with the classes last, y = labels::

        loss = -log(softmax(x)_y)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    """
    with _range(name):
        return _softmax.loss(*_classes(labels, logits, name))


def sparse_softmax_cross_entropy_value_and_grad(*, labels: Any, logits: Tensor) -> tuple[Tensor, Tensor]:
    """Return the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        gradient_j = softmax(x)_j - (1 if j == y else 0)

    Labels are integers of the shape of the logits without the last axis. A label outside the classes is an error where
    its value is known, and gives nan elsewhere.
    """
    return _softmax.value_and_grad(*_classes(labels, logits))


def sparse_softmax_cross_entropy_mean_and_grad(
    *, labels: Any, logits: Tensor, out: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the mean of the softmax cross entropy with class indices and its derivative with respect to the logits.

    With x = logits with the classes last, y = labels::

        mean       = sum(loss) / n,   n = the number of rows
        gradient_j = (softmax(x)_j - (1 if j == y else 0)) / n

    Labels are integers of the shape of the logits without the last axis.
    The mean is a tensor of rank 0; on the CPU it is exact and rounded once. ``out`` takes the gradient.
    """
    x, y = _classes(labels, logits)
    return _mean_and_grad(_softmax, x, y, y.numel(), out)


def _mean_and_grad(kernel: Any, x: Tensor, z: Tensor, count: int, out: Tensor | None) -> tuple[Tensor, Tensor]:
    if differentiates(x, z):
        if out is not None:
            raise RuntimeError(
                "out cannot take a gradient that is differentiated in its turn. Leave it out, or detach the logits."
            )
        loss, gradient = kernel.value_and_grad(x, z)
        return summed(loss, count), gradient / count
    if out is None and has_kernel(x, z):
        gradient = empty_like(x)
        return scalar(kernel.mean(x, z, None, count, count, gradient), x), gradient
    if out is not None and has_kernel(x, z, gradient_out(out, x)):
        return scalar(kernel.total(x, z, None, count, out)._rounded(count), x), out
    loss, slope = kernel.value_and_grad(x, z)
    slope = slope / count
    return summed(loss, count), slope if out is None else out.copy_(slope)


def _pair(labels: Any, logits: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    checks.provided(labels, logits, name)
    labels = _tensor(labels, logits)
    tensors(OURS, logits, labels, name=name)
    checks.same_shape(labels.shape, logits.shape, name)
    return autocast(logits), labels


def _rows(labels: Any, logits: Any, axis: Any, name: str | None = None) -> tuple[Tensor, Tensor, int]:
    """Return logits and distributions with the classes last, and where they were."""
    checks.provided(labels, logits, name)
    labels = _tensor(labels, logits)
    tensors(OURS, logits, labels, name=name)
    axis = checks.softmax_shapes(labels.shape, logits.shape, axis, name)
    return autocast(logits).movedim(axis, -1), labels.expand(logits.shape).movedim(axis, -1), axis


def _classes(labels: Any, logits: Any, name: str | None = None) -> tuple[Tensor, Tensor]:
    checks.provided(labels, logits, name)
    labels = _tensor(labels, logits)
    tensors(OURS, logits, labels, INTEGERS, name)
    checks.sparse_shapes(labels.shape, logits.shape, name)
    if eager(labels):
        checks.known_classes(labels.cpu().numpy(), logits.shape[-1], name)
    return autocast(logits), labels.to(torch.int64)


def _tensor(value: Any, like: Any) -> Any:
    """Return labels that NumPy holds, or plain Python, as a tensor beside the logits."""
    if not (isinstance(like, Tensor) and checks.is_numpy(value)):
        return value
    array = np.asarray(value)
    return torch.tensor(array, device=like.device) if array.dtype.kind in "biufc" else value


def _range(name: str | None) -> contextlib.AbstractContextManager:
    if name and not torch.compiler.is_compiling():  # a graph has no ranges
        return torch.profiler.record_function(name)
    return contextlib.nullcontext()
