"""The largest radius at which something holds, for many samples at once."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

_LARGEST_MULTIPLE = 1024  # of the largest eps asked for; beyond it no radius is looked for


@dataclass(frozen=True)
class RadiusSearch:
    """Bisection over radii: first between those asked for, then down to a tolerance.

    Every radius that comes out was tried and held; nothing is interpolated or rounded up.

    Attributes:
        eps: The radii asked for, ascending, > 0. Whether each holds is decided at that very number.
        tolerance: The radius found is below the first that does not hold by at most this share of the larger of
            itself and the largest eps; inf to try the radii asked for alone.
        limit: A radius at which the ball covers all inputs that there are: it stands for every larger one.

    Example:
        >>> search = RadiusSearch((0.1, 0.2), tolerance=0.01, limit=1.0)
        >>> threshold = torch.tensor([0.05, 0.15, 0.7, 3.0], dtype=torch.float64)
        >>> found = search.largest(lambda eps: eps <= threshold, torch.zeros(4))
        >>> [round(radius, 2) for radius in found.tolist()]
        [0.05, 0.15, 0.69, inf]
    """

    eps: tuple[float, ...]
    tolerance: float = 0.01
    limit: float = math.inf

    def largest(self, holds: Callable[[Tensor], Tensor], known: Tensor) -> Tensor:
        """The largest radius found at which `holds`.

        Args:
            holds: Maps a radius for each sample, `[batch]` in float64 on the CPU, to whether it holds, `[batch]`.
                Something that holds at a radius is taken to hold at all smaller ones.
            known: `[batch]`: radii that are known to hold.

        Returns:
            `[batch]`, float64: at least `known`; inf where the limit held.
        """
        low = known.to(torch.float64)
        high = torch.full_like(low, math.inf)
        while self.eps:
            trial = self._next(low, high)
            tried = trial > low
            if not tried.any():
                break
            held = holds(trial).cpu()
            low = torch.where(tried & held, trial, low)
            high = torch.where(tried & ~held, trial, high)
        return torch.where(low >= self.limit, math.inf, low)

    def _next(self, low: Tensor, high: Tensor) -> Tensor:
        """What to try next; `low` where there is nothing left to try."""
        asked = torch.tensor(self.eps, dtype=torch.float64)
        first = torch.searchsorted(asked, low, right=True)
        inside = torch.searchsorted(asked, high) - first
        middle = asked[(first + inside // 2).clamp(max=len(asked) - 1)]
        return torch.where(inside > 0, middle, self._finer(low, high, float(asked[-1])))

    def _finer(self, low: Tensor, high: Tensor, largest: float) -> Tensor:
        if math.isinf(self.tolerance):
            return low
        unbounded = torch.where(low < _LARGEST_MULTIPLE * largest, (2 * low).clamp(max=self.limit), low)
        between = torch.where(high - low > self.tolerance * low.clamp(min=largest), (low + high) / 2, low)
        return torch.where(high.isinf(), unbounded, between)
