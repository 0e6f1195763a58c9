"""What the norm balls have in common: a radius, absolute or relative, and bounds."""

import math
from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from ratlp.errors import InputError
from ratlp.perturbations.base import Edges, PerturbationSet

Scale = Callable[[Tensor], Tensor]
"""The scale of a latent, from the latent, broadcastable to it: see `ratlp.perturbations.scale`."""


class Ball(PerturbationSet):
    """{ d : ||d|| <= eps * scale(z) }, with z + d kept within `bounds`.

    Args:
        eps: The radius; finite and >= 0. In units of the point, or of its scale where `relative_to` is given.
        relative_to: The scale of a point; 1 where not given.
        bounds: `(low, high)`: z + d stays within them. For the input, where a pixel has a range.

    Raises:
        InputError: `eps` is negative or not finite, or `bounds` is not an increasing pair.
    """

    def __init__(
        self,
        eps: float,
        *,
        relative_to: Scale | None = None,
        bounds: tuple[float, float] | None = None,
    ) -> None:
        if bounds is not None and not bounds[0] < bounds[1]:
            raise InputError(f"bounds must be (low, high) with low < high; found {bounds}")
        self.eps = eps
        self.relative_to = relative_to
        self.bounds = bounds

    @property
    def eps(self) -> float:
        """The radius; it may be set anew between steps, as schedules do."""
        return self._eps

    @eps.setter
    def eps(self, value: float) -> None:
        if not (math.isfinite(value) and value >= 0):
            raise InputError(f"eps must be finite and >= 0; found {value}")
        self._eps = float(value)

    @abstractmethod
    def _into_ball(self, delta: Tensor, point: Tensor) -> Tensor:
        """The d in the ball next to `delta`, whatever the bounds."""

    def _radius(self, point: Tensor) -> Tensor:
        """Of the ball around each sample, broadcastable to the point."""
        if self.relative_to is None:
            return torch.full((), self.eps, dtype=point.dtype, device=point.device)
        return self.eps * self.relative_to(point.detach())

    def project(self, delta: Tensor, point: Tensor) -> Tensor:
        """Into the ball, then within the bounds, which keeps it in the ball."""
        inside = self._into_ball(delta, point).to(point.dtype)
        if self.bounds is None:
            return inside
        # A point that is out of bounds already may stay where it is.
        low, high = self.bounds
        return (point + inside).clamp(point.clamp(max=low), point.clamp(min=high)) - point

    def edges(self, point: Tensor) -> Edges:
        """The box around the ball, within the bounds."""
        radius = self._radius(point).to(point.dtype)
        lower, upper = point - radius, point + radius
        if self.bounds is None:
            return lower, upper
        # A point that is out of bounds already may stay where it is, as in `project`.
        low, high = self.bounds
        return torch.maximum(lower, point.clamp(max=low)), torch.minimum(upper, point.clamp(min=high))

    def __repr__(self) -> str:
        options = (
            ""
            if self.relative_to is None
            else f", relative_to={getattr(self.relative_to, '__name__', self.relative_to)}"
        )
        options += "" if self.bounds is None else f", bounds={self.bounds}"
        return f"{type(self).__name__}({self.eps:g}{self._options()}{options})"

    def _options(self) -> str:
        return ""
