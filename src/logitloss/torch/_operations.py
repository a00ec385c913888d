"""PyTorch as the namespace of ``_formulas``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

Tensor = torch.Tensor


class Operations:
    """Array operations on what is like a given tensor."""

    exp = staticmethod(torch.exp)
    log1p = staticmethod(torch.log1p)
    tanh = staticmethod(torch.tanh)
    where = staticmethod(torch.where)
    zeros_like = staticmethod(torch.zeros_like)

    def __init__(self, like: Tensor) -> None:
        """Remember where new tensors are to be made."""
        self._like = like

    def arange(self, n: int) -> Tensor:
        """Return 0, 1, ..., n - 1."""
        if type(self._like) is torch.Tensor:
            return torch.arange(n, device=self._like.device)
        return self._like.new_ones(n, dtype=torch.int64).cumsum(0) - 1  # of the same subclass

    @staticmethod
    def abs(x: Tensor) -> Tensor:
        """Return |x|, at 0 with the derivative from the left: the formulas' selections take 0 for negative."""
        return torch.where(x > 0, x, -x)

    @staticmethod
    def sum(x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        """Return the sums along an axis."""
        return torch.sum(x, dim=axis, keepdim=keepdims)

    @staticmethod
    def max(x: Tensor, axis: int, keepdims: bool = False) -> Tensor:
        """Return the largest along an axis."""
        return torch.amax(x, dim=axis, keepdim=keepdims)


class ValueAndGrad(torch.autograd.Function):
    """A function of two outputs, losses and gradient, whose derivatives take its inputs and that gradient."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: tuple) -> None:
        """Keep the inputs and the gradient."""
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*inputs, output[1])
        ctx.save_for_forward(*inputs, output[1])


def losses_alone(both: Callable[..., Any], derivatives: Callable[..., Any]) -> type[torch.autograd.Function]:
    """Return the first output as a function of its own, for graphs.

    A graph has zeros for the derivative of an output that is not used, and multiplies the second derivatives by them.
    """

    class Losses(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Tensor:
            value, gradient = both(*inputs)
            ctx.save_for_backward(*inputs, gradient)
            return value

        @staticmethod
        def backward(ctx: Any, *outer: Any) -> Any:
            return derivatives(ctx, *outer, None)

    return Losses


def compute_dtype(*tensors: Tensor | None) -> list:
    """Return all in one dtype that holds each of them, at least float32: the result is rounded once, at the end."""
    double = any(t is not None and t.dtype is torch.float64 for t in tensors)
    return [None if t is None else t.to(torch.float64 if double else torch.float32) for t in tensors]


def chain(like: Tensor, *products: tuple) -> Any:
    """Return the sum of the products of outer and inner derivatives, of those that have an outer one."""
    terms = [outer * inner for outer, inner in products if outer is not None]
    return sum(terms[1:], terms[0]).to(like.dtype) if terms else None
