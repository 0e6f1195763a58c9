"""What the norm balls have in common: a radius, absolute or relative, and bounds."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from ratlp.errors import InputError
from ratlp.perturbations.base import Edges, PerturbationSet

Scale = Callable[[Tensor], Tensor]
"""The scale of a latent, from the latent, broadcastable to it: see `ratlp.perturbations.scale`."""

Bounds = tuple[float | Tensor, float | Tensor]
"""`(low, high)`, each one number or one for each feature: broadcastable to a sample, without the batch axis."""


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
        self.bounds = None if bounds is None else _bounds(bounds)

    @property
    def eps(self) -> float | Tensor:
        """The radius; it may be set anew between steps, as schedules do."""
        return self._eps

    @eps.setter
    def eps(self, value: float | Tensor) -> None:
        self._eps = _eps(value)

    @abstractmethod
    def _into_ball(self, delta: Tensor, point: Tensor) -> Tensor:
        """The d in the ball next to `delta`, whatever the bounds."""

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

    def projection(self, point: Tensor) -> Callable[[Tensor], Tensor]:
        """The room that the bounds leave is computed once."""
        room = self._room(point)

        def project(delta: Tensor) -> Tensor:
            inside = self._into_ball(delta, point).to(point.dtype)
            return inside if room is None else inside.clamp(*room)

        return project

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
            options += f", bounds={_pair(self.bounds)}"
        return f"{_shown(self.eps)}{options}"

    def _options(self) -> str:
        return ""


def _eps(eps: float | Tensor) -> float | Tensor:
    if isinstance(eps, Tensor):
        wrong = eps[~(torch.isfinite(eps) & (eps >= 0))]
        if len(wrong):
            raise InputError(f"eps must be finite and >= 0 for each feature; found {float(wrong[0]):g}")
        return eps.detach()
    if not (math.isfinite(eps) and eps >= 0):
        raise InputError(f"eps must be finite and >= 0; found {eps}")
    return float(eps)


def _bounds(bounds: Bounds) -> Bounds:
    """Equal bounds hold a feature still where others have a range; one pair for all must leave room."""
    low, high = (b.detach() if isinstance(b, Tensor) else torch.tensor(b, dtype=torch.float64) for b in bounds)
    per_feature = low.dim() + high.dim() > 0
    if not bool((low <= high).all() if per_feature else low < high):
        raise InputError(
            f"bounds must be (low, high) with low < high, or low <= high for each feature; found {_pair(bounds)}"
        )
    return bounds


def _limits(bounds: Bounds, point: Tensor) -> tuple[Tensor, Tensor]:
    """How far each coordinate may go; one that is out of bounds already may stay where it is."""
    low, high = (for_point(bound, point, "bounds") for bound in bounds)
    return point.clamp(max=low), point.clamp(min=high)


def for_point(value: float | Tensor, point: Tensor, name: str) -> float | Tensor:
    """A value for points: one for each feature in their type and on their device, a number as it is.

    Args:
        value: One for all features, or one for each: broadcastable to a sample, without the batch axis.
        point: `[batch, *features]`.
        name: What messages call it.

    Raises:
        InputError: It does not fit a sample.

    Example:
        >>> for_point(torch.tensor([1.0, 2.0]), torch.zeros(5, 3), "eps")
        Traceback (most recent call last):
        ratlp.errors.InputError: eps must be broadcastable to a sample, (3,), without the batch axis; found shape (2,)
    """
    if not isinstance(value, Tensor):
        return value  # which clamps much faster
    sample = point.shape[1:]
    fits = value.dim() <= len(sample) and all(
        mine in (1, other) for mine, other in zip(reversed(value.shape), reversed(sample), strict=False)
    )
    if not fits:
        raise InputError(
            f"{name} must be broadcastable to a sample, {tuple(sample)}, without the batch axis; "
            f"found shape {tuple(value.shape)}"
        )
    return value.to(point)


def _shown(value: float | Tensor) -> str:
    if isinstance(value, Tensor):
        return f"tensor of shape {tuple(value.shape)}"
    return f"{value:g}"


def _pair(bounds: Bounds) -> str:
    return f"({', '.join(map(_shown, bounds))})"
