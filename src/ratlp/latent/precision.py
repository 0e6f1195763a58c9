"""Where gradients may underflow."""

import torch
from torch import Tensor


def in_float16(near: Tensor) -> bool:
    """Whether computations near a tensor run in float16: its own type, or autocast's on its device.

    Example:
        >>> in_float16(torch.ones(2, dtype=torch.float16)), in_float16(torch.ones(2))
        (True, False)
    """
    device = near.device.type
    if near.dtype is torch.float16:
        return True
    return torch.is_autocast_enabled(device) and torch.get_autocast_dtype(device) is torch.float16
