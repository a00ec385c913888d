"""The losses of ``torch.nn``, with the same arguments and states."""

from __future__ import annotations

from torch import Tensor, nn

from . import functional


class BCEWithLogitsLoss(nn.BCEWithLogitsLoss):
    """The module of this name of torch, computed by :func:`logitloss.torch.binary_cross_entropy_with_logits`.

    A subclass: arguments, buffers, state dict and ``isinstance`` are those of :class:`torch.nn.BCEWithLogitsLoss`.

    Examples
    --------
    >>> import torch
    >>> from logitloss.torch import BCEWithLogitsLoss
    >>> BCEWithLogitsLoss()(torch.tensor([17.0, -17.0]), torch.tensor([1, 0]))
    tensor(4.1399e-08)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


class CrossEntropyLoss(nn.CrossEntropyLoss):
    """The module of this name of torch, computed by :func:`logitloss.torch.cross_entropy`.

    A subclass: arguments, buffers, state dict and ``isinstance`` are those of :class:`torch.nn.CrossEntropyLoss`.

    Examples
    --------
    >>> import torch
    >>> from logitloss.torch import CrossEntropyLoss
    >>> CrossEntropyLoss()(torch.tensor([[40.0, 0.0]]), torch.tensor([0]))
    tensor(4.2484e-18)
    """

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """Return the loss."""
        return functional.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
