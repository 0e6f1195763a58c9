"""The best that a maximiser has seen."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ratlp.attacks.base import per_sample


def select(mask: Tensor, chosen: Sequence[Tensor], others: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """For each sample `chosen` where the mask `[batch]` is set, `others` elsewhere; detached.

    Example:
        >>> select(torch.tensor([True, False]), [torch.ones(2, 1)], [torch.zeros(2, 1)])[0].tolist()
        [[1.0], [0.0]]
    """
    pairs = zip(chosen, others, strict=True)
    return tuple(torch.where(per_sample(mask, this), this.detach(), that) for this, that in pairs)


class Best:
    """What was seen at the highest loss so far, for each sample; for the whole batch where the loss is a scalar.

    Args:
        initial: `[batch, *latent]` each, what is kept until a loss is seen; a loss that is not a number never is.

    Attributes:
        kept: What was seen at the highest loss.

    Example:
        >>> best = Best([torch.zeros(2, 1)])
        >>> best.update(torch.tensor([1.0, 1.0]), [torch.tensor([[3.0], [4.0]])])
        >>> best.update(torch.tensor([0.0, 2.0]), [torch.tensor([[5.0], [6.0]])])
        >>> best.kept[0].tolist(), best.losses.tolist()
        ([[3.0], [6.0]], [1.0, 2.0])
    """

    def __init__(self, initial: Sequence[Tensor]) -> None:
        self.kept = tuple(initial)
        self._losses: Tensor | None = None

    @property
    def losses(self) -> Tensor:
        """The highest losses, `[batch]` or a scalar; minus infinity where none has been seen."""
        return self.kept[0].new_full(self.kept[0].shape[:1], -math.inf) if self._losses is None else self._losses

    def update(self, losses: Tensor, seen: Sequence[Tensor]) -> None:
        """Keep what was seen at a higher loss than before."""
        if self._losses is None:
            self._losses = torch.full_like(losses, -math.inf)
        better = losses > self._losses
        self._losses = torch.where(better, losses, self._losses)
        self.kept = select(better, seen, self.kept)
