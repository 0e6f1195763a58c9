"""Losses of the user's own."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from ratlp.losses.base import Loss

LossFunction = Callable[[Tensor, Any], Tensor]
"""Maps logits and target to `[batch]` losses, or to a scalar."""


class CustomLoss(Loss):
    """outer(g(z), y) + weight * outer(g(z + d), y), and an inner problem that climbs `inner`.

    Where a function gives one loss for each sample, their mean is minimised, and a maximiser can tell samples
    apart; a scalar is taken as it is.

    Args:
        outer: What is minimised.
        inner: What the maximiser climbs; `outer` where not given.

    Example:
        >>> import torch
        >>> loss = CustomLoss(lambda logits, y: (logits - y).square().mean(1))
        >>> loss.clean(torch.ones(4, 2), torch.zeros(4, 2))
        tensor(1.)
    """

    def __init__(self, outer: LossFunction, inner: LossFunction | None = None) -> None:
        self._outer = outer
        self._inner = outer if inner is None else inner
        self.inner_is_clean = inner is None

    def clean(self, logits: Tensor, y: Any) -> Tensor:
        """`outer`, as a scalar."""
        return self._outer(logits, y).mean()

    def adversarial(self, logits: Tensor, y: Any, clean_logits: Tensor) -> Tensor:
        """`outer`, as a scalar."""
        return self._outer(logits, y).mean()

    def inner(self, logits: Tensor, y: Any, clean_logits: Tensor) -> Tensor:
        """`inner`, as it is."""
        return self._inner(logits, y)
