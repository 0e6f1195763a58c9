"""What the norm balls have in common: a radius, absolute or relative, and bounds."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from ratlp.perturbations.base import Edges, PerturbationSet
from ratlp.perturbations.values import Value, checked_bounds, checked_eps, for_point, shown

Scale = Callable[[Tensor], Tensor]
"""The scale of a latent, from the latent, broadcastable to it: see `ratlp.perturbations.scale`."""

Bounds = tuple[Value, Value]
"""`(low, high)`, each one number or one for each feature; arrays and lists are taken for tensors."""


class Ball(PerturbationSet):
    """{ d : ||d|| <= eps * scale(z) }, with z + d kept within `bounds`.

    Args:
        eps: The radius; finite and >= 0. In units of the point, or of its scale where `relative_to` is given.
        relative_to: The scale of a point; 1 where not given.
        bounds: `(low, high)`: z + d stays within them. For the input, where a pixel has a range, or, with tensors,
            each feature its own. A point outside may stay where it is, but moves no further out.

    Raises:
        InputError: `eps` is negative or not finite, or `bounds` is not an increasing pair; on use, that a tensor
            among them does not fit the sample.
    """

    def __init__(
        self,
        eps: float | Tensor,
        *,
        relative_to: Scale | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        self.eps = eps
        self.relative_to = relative_to
        self.bounds = None if bounds is None else checked_bounds(bounds)

    @property
    def eps(self) -> float | Tensor:
        """The radius; it may be set anew between steps, as schedules do."""
        return self._eps

    @eps.setter
    def eps(self, value: float | Tensor) -> None:
        self._eps = checked_eps(value)

    def unit(self, point: Tensor) -> float | Tensor:
        """What an eps of 1 is in units of the point: 1, or its scale in the ball's norm, broadcastable to it.

        Example:
            >>> from ratlp.perturbations import L2, rms_per_sample
            >>> L2(0.1).unit(torch.tensor([[3.0, 4.0]])), L2(0.1, relative_to=rms_per_sample).unit(torch.ones(1, 4))
            (1.0, tensor([[2.]]))
        """
        return 1.0 if self.relative_to is None else self.relative_to(point.detach()) * self._of_ones(point)

    def with_radii(self, radii: Tensor) -> Self:
        """The same ball with a radius of its own for each sample.

        Args:
            radii: `[batch]`, as multiples of `unit`.

        Example:
            >>> from ratlp.perturbations import LInf
            >>> LInf(0.5).with_radii(torch.tensor([1.0, 2.0])).steepest(torch.ones(2, 1), torch.zeros(2, 1)).tolist()
            [[1.0], [2.0]]
        """

        def scale(point: Tensor) -> Tensor:
            each = radii.view(-1, *[1] * (point.dim() - 1)).to(point)
            return each * self.unit(point) / self._of_ones(point)

        other = self.with_eps(1.0)
        other.relative_to = scale
        return other

    def _of_ones(self, point: Tensor) -> float:
        """The norm of a vector of ones, by which a scale of its coordinates becomes a radius."""
        return 1.0

    def _radius(self, point: Tensor) -> float | Tensor:
        """Of the ball around each sample: one number, or broadcastable to the point."""
        return for_point(self.eps, point, "eps") * self.unit(point)

    def project(self, delta: Tensor, point: Tensor) -> Tensor:
        """Into the ball, then into the bounds."""
        return self.projection(point)(delta)

    @abstractmethod
    def projection(self, point: Tensor) -> Callable[[Tensor], Tensor]:
        """As `project`, around one point again and again."""

    def _room(self, point: Tensor) -> Edges | None:
        """How far each coordinate may move down and up within the bounds."""
        if self.bounds is None:
            return None
        low, high = _limits(self.bounds, point)
        return low - point, high - point

    def edges(self, point: Tensor) -> Edges:
        """The box around the ball, within the bounds."""
        radius = self._radius(point)
        lower, upper = (point - radius).to(point.dtype), (point + radius).to(point.dtype)
        if self.bounds is None:
            return lower, upper
        lowest, highest = _limits(self.bounds, point)
        return torch.maximum(lower, lowest), torch.minimum(upper, highest)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.described()})"

    def described(self) -> str:
        """The radius and the options, for `print`."""
        options = self._options()
        if self.relative_to is not None:
            options += f", relative_to={getattr(self.relative_to, '__name__', self.relative_to)}"
        if self.bounds is not None:
            options += f", bounds={shown(self.bounds)}"
        return f"{shown(self.eps)}{options}"

    def _options(self) -> str:
        return ""


def _limits(bounds: Bounds, point: Tensor) -> tuple[Tensor, Tensor]:
    """How far each coordinate may go; one that is out of bounds already may stay where it is."""
    low, high = (for_point(bound, point, "bounds") for bound in bounds)
    return point.clamp(max=low), point.clamp(min=high)
