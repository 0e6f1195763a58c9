"""What every loss can do."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class Loss(ABC):
    """clean_weight * clean(logits, y) + weight * adversarial(perturbed logits, y, clean logits).

    A new loss is one file with one subclass.

    Attributes:
        clean_weight: 1, or 0 where the clean loss is only reported.
        uses_clean_logits: Whether gradients flow from `adversarial` into the clean logits. That costs one more
            backward pass of g.
        inner_is_clean: Whether `inner` at d = 0 has the gradient of `clean`, up to a positive factor per sample;
            the clean backward pass then serves the inner problem.
        falls_with_margins: Whether `adversarial` depends on the logits through the margins z_y - z_j alone and falls
            as they rise, so that lower bounds of the margins bound it from above.
    """

    clean_weight: float = 1.0
    uses_clean_logits: bool = False
    inner_is_clean: bool = True
    falls_with_margins: bool = False

    @abstractmethod
    def clean(self, logits: Tensor, y: Any) -> Tensor:
        """The loss of the clean batch, a scalar."""

    @abstractmethod
    def adversarial(self, logits: Tensor, y: Any, clean_logits: Tensor) -> Tensor:
        """The loss of the perturbed batch, a scalar."""

    @abstractmethod
    def inner(self, logits: Tensor, y: Any, clean_logits: Tensor) -> Tensor:
        """What the maximiser climbs: `[batch]`, or a scalar where samples cannot be told apart."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
