"""What an attack costs, in samples passed through the model."""

from torch import Tensor


class Passes:
    """How many samples have passed.

    Attributes:
        forwards: Forward.
        gradients: Those of them that are taken back for a gradient.

    Example:
        >>> import torch
        >>> passes = Passes()
        >>> passes.count(torch.zeros(5, 3))
        >>> passes.forwards, passes.gradients
        (5, 0)
    """

    def __init__(self) -> None:
        self.forwards = 0
        self.gradients = 0

    def count(self, logits: Tensor) -> None:
        """Count one call by what it returned."""
        self.forwards += len(logits)
        self.gradients += len(logits) if logits.requires_grad else 0
