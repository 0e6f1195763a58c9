"""Whether the samples of a batch are independent: some of them are made unknown, and what those spread to is seen."""

from collections.abc import Sequence
from itertools import combinations

import torch
from torch import Tensor

PROBES = 4
"""How often the forward runs for it."""

_CODES = torch.tensor([[probe in chosen for probe in range(PROBES)] for chosen in combinations(range(PROBES), 2)])


def unknown_samples(batch: int) -> Tensor:
    """Which samples are unknown in which probe, boolean `[PROBES, batch]`.

    Of two samples each is unknown in a probe in which the other is known, so that it is seen if one depends on the
    other: of any two in batches of up to six, and of at least five in six pairs in larger ones.

    Example:
        >>> unknown_samples(2).sum(1)
        tensor([2, 1, 1, 0])
    """
    places = torch.randperm(batch, generator=torch.Generator().manual_seed(0))
    return _CODES[places % len(_CODES)].T


def probes_of(point: Tensor, unknown: Tensor) -> Sequence[Tensor]:
    """A point with other samples unknown (nan) in each probe.

    Example:
        >>> probes_of(torch.ones(1, 2), unknown_samples(1))[0]
        tensor([[nan, nan]])
    """
    axes = (1,) * (point.dim() - 1)
    return [point.detach().masked_fill(own.view(-1, *axes), torch.nan) for own in unknown]


def are_apart(probes: Sequence[Tensor], unknown: Tensor) -> bool:
    """Whether each sample's values follow each other along the first axes, and no unknown sample spread to another.

    Args:
        probes: What a function, and those before it, made of `probes_of`.
        unknown: `[PROBES, batch]`, on their device.

    Example:
        >>> unknown = unknown_samples(3)
        >>> probes = probes_of(torch.ones(3, 2), unknown)
        >>> are_apart(probes, unknown), are_apart([probe - probe[-1:] for probe in probes], unknown)
        (True, False)
    """
    batch, size = unknown.shape[1], probes[0].numel()
    if size % batch:
        return False
    nan = torch.stack([probe.reshape(batch, size // batch).isnan().any(1) for probe in probes])
    return not bool((nan & ~unknown).any())
