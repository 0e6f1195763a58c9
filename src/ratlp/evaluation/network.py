"""A model's logits, checked and counted."""

from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.latent.batch import call_model, logits_of


class Passes:
    """How many samples have passed.

    Attributes:
        forwards: Forward.
        gradients: Those of them that are taken back for a gradient.
    """

    def __init__(self) -> None:
        self.forwards = 0
        self.gradients = 0

    def count(self, logits: Tensor) -> None:
        """Count one call by what it returned."""
        self.forwards += len(logits)
        self.gradients += len(logits) if logits.requires_grad else 0


def model_logits(model: nn.Module, inputs: Any, *, n: int) -> Tensor:
    """The model's logits of a batch, `[n, classes]`.

    Raises:
        InputError: They are not of this shape, or not finite.

    Example:
        >>> model_logits(nn.Linear(2, 3), torch.zeros(5, 2), n=5).shape
        torch.Size([5, 3])
    """
    return checked_logits(logits_of(call_model(model, inputs)), n=n)


def checked_logits(logits: Tensor, *, n: int) -> Tensor:
    """Logits as they must be.

    Raises:
        InputError: They are not `[n, classes]` with at least 2 classes, or not finite.

    Example:
        >>> checked_logits(torch.tensor([[0.0, torch.nan]]), n=1)
        Traceback (most recent call last):
        ratlp.errors.InputError: logits must be finite; found 1 NaN and 0 infinite of 2 values: no attack ...
    """
    if logits.dim() != 2 or len(logits) != n or logits.shape[1] < 2:
        raise InputError(
            f"a model must return logits [batch, classes] with at least 2 classes; found shape {tuple(logits.shape)} "
            f"for a batch of {n}: write a binary classifier's single logit s as [0, s]"
        )
    if not logits.is_floating_point():
        raise InputError(f"a model must return floating logits; found {logits.dtype}")
    # The sum alone tells of most batches, at a tenth of the cost
    if not bool(torch.isfinite(logits.detach().sum())) and not bool(torch.isfinite(logits).all()):
        nan = int(logits.isnan().sum())
        infinite = int(logits.isinf().sum())
        raise InputError(
            f"logits must be finite; found {nan} NaN and {infinite} infinite of {logits.numel()} values: no attack can "
            "be judged by them; look for an overflow or a division by 0, or evaluate in float64"
        )
    return logits
