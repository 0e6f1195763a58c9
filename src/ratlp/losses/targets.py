"""What labels must be, said before a kernel says it."""

from typing import Any

import torch
from torch import Tensor

from ratlp.errors import InputError

_IGNORED = -100  # torch's ignore_index


def check_targets(logits: Tensor, y: Any) -> None:
    """Check class indices against logits `[batch, classes, ...]`; class probabilities of their shape pass too.

    The range of the labels is checked on the CPU alone: on an accelerator it would cost a synchronisation.

    Raises:
        InputError: The batch is empty, or the labels do not fit the logits.

    Example:
        >>> check_targets(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]))
    """
    if logits.dim() < 2 or len(logits) == 0:
        raise InputError(
            f"logits must be [batch, classes] with a batch of 1 or more; found shape {tuple(logits.shape)}"
        )
    if not isinstance(y, Tensor):
        raise InputError(f"labels must be a tensor; found {type(y).__name__}")
    if y.is_floating_point() and y.shape == logits.shape:
        return
    expected = (logits.shape[0], *logits.shape[2:])
    if y.dtype is not torch.int64 or y.shape != expected:
        raise InputError(
            f"labels must be int64 of shape {expected}, one for each of the logits {tuple(logits.shape)}; "
            f"found {y.dtype} of shape {tuple(y.shape)}"
        )
    if y.device.type == "cpu":
        counted = y[y != _IGNORED]
        if len(counted) and not 0 <= int(counted.min()) <= int(counted.max()) < logits.shape[1]:
            raise InputError(
                f"labels must be in 0..{logits.shape[1] - 1}, as there are {logits.shape[1]} logits; "
                f"found {int(counted.min())}..{int(counted.max())}"
            )
