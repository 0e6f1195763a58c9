"""What the other coordinates of an axis come to, for each coordinate: without cancellation, and without a loop."""

from collections.abc import Callable

import torch
from torch import Tensor


def before_and_after(running: Callable[[Tensor], Tensor], x: Tensor, *, nothing: float) -> tuple[Tensor, Tensor]:
    """A running sum of any kind over the last axis: of what comes before each coordinate, and of what comes after it.

    Args:
        running: Such as `lambda x: x.cumsum(-1)`.
        x: `[..., coordinates]`.
        nothing: The sum of no coordinates.

    Example:
        >>> before_and_after(lambda x: x.cumsum(-1), torch.tensor([1.0, 2.0, 4.0]), nothing=0.0)
        (tensor([0., 1., 3.]), tensor([6., 4., 0.]))
    """
    empty = torch.full_like(x[..., :1], nothing)
    before = torch.cat([empty, running(x)[..., :-1]], -1)
    after = torch.cat([running(x.flip(-1)).flip(-1)[..., 1:], empty], -1)
    return before, after
