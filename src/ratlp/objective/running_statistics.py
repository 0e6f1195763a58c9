"""Keep BatchNorm's running statistics as the clean batch left them."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _NormBase


@contextmanager
def running_statistics_held(model: nn.Module) -> Iterator[None]:
    """While open, normalisation layers in training mode neither use nor move their running statistics.

    They normalise with the batch's own statistics, as training mode does anyway. Layers in eval mode are left
    alone: they use the running statistics and do not move them.

    Example:
        >>> import torch
        >>> norm = nn.BatchNorm1d(3)
        >>> with running_statistics_held(norm):
        ...     _ = norm(torch.randn(8, 3))
        >>> norm.running_mean
        tensor([0., 0., 0.])
    """
    moving = [
        module
        for module in model.modules()
        if isinstance(module, _NormBase) and module.training and module.track_running_stats
    ]
    for module in moving:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in moving:
            module.track_running_stats = True
