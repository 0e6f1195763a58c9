"""The L2 ball: each sample, or each token, moves by at most eps in Euclidean length."""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from ratlp.errors import InputError
from ratlp.perturbations.ball import Ball, Bounds, Scale

_FIRST_AXIS = {"sample": 1, "token": 2}


class L2(Ball):
    r"""S(z) = { d : ||d||_2 <= eps } per sample, or per token of `[batch, tokens, *features]`.

    Per token is the set of FreeLB (arXiv 1909.11764, there per sequence) and of latent adversarial training of
    language models (arXiv 2407.15549). Relative to a scale s in root mean squares, the radius is
    eps * s * sqrt(n) with n the coordinates of a sample or token: eps is then a share of its length.

    Args:
        eps: The radius, in units of the point, or as a share of its length; finite and >= 0.
        per: What the length is taken of: "sample" or "token".
        relative_to: The scale of a point, such as `rms_per_token`; an absolute radius where not given.
        bounds: `(low, high)`: z + d stays within them. With tensors, broadcastable to a sample, each feature has its
            own. A point outside may stay where it is, but moves no further out.

    Raises:
        InputError: An argument is out of its range; on use, that a scale or a bound does not fit the point.

    Example:
        >>> L2(1.0).linear_maximum(torch.tensor([[3.0, 4.0]]), torch.zeros(1, 2))
        tensor([[0.6000, 0.8000]])
    """

    def __init__(
        self,
        eps: float,
        *,
        per: Literal["sample", "token"] = "sample",
        relative_to: Scale | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        super().__init__(eps, relative_to=relative_to, bounds=bounds)
        if isinstance(self.eps, Tensor):
            raise InputError("an L2 ball has one radius, a number; found a tensor: scale the features instead")
        if per not in _FIRST_AXIS:
            raise InputError(f"per must be 'sample' or 'token'; found {per!r}")
        self.per = per

    def unit(self, point: Tensor) -> float | Tensor:
        """What an eps of 1 is in units of the point: 1, or the length of each sample or token, by its scale.

        Raises:
            InputError: There is not one scale for each.
        """
        unit = super().unit(point)
        if isinstance(unit, Tensor) and unit.dim() > 0 and any(unit.shape[axis] != 1 for axis in self._axes(point)):
            raise InputError(
                f"a ball per {self.per} needs one scale per {self.per}; found shape {tuple(unit.shape)} "
                f"from {getattr(self.relative_to, '__name__', self.relative_to)}: use rms_per_{self.per}"
            )
        return unit

    def steepest(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The gradient's direction at length eps, eps * g / ||g||_2; 0 where the gradient is 0."""
        # Divided by the largest entry first, so that no square under- or overflows.
        axes = self._axes(point)
        largest = gradient.abs().amax(axes, keepdim=True)
        direction = gradient / torch.where(largest > 0, largest, 1)
        length = torch.linalg.vector_norm(direction, dim=axes, keepdim=True)
        step: Tensor = self._radius(point) * direction / length.clamp(min=1)
        return step.to(point.dtype)

    def random(self, point: Tensor) -> Tensor:
        """Uniform in direction and, in high dimension nearly, in volume: a length uniform in [0, eps]."""
        direction = self.steepest(torch.randn_like(point), point)
        axes = self._axes(point)
        lengths = torch.rand_like(direction.sum(axes, keepdim=True))
        return self.project(lengths * direction, point)

    def projection(self, point: Tensor) -> Callable[[Tensor], Tensor]:
        """The room that the bounds leave is computed once."""
        room = self._room(point)

        def project(delta: Tensor) -> Tensor:
            inside = self._into_ball(delta, point).to(point.dtype)
            return inside if room is None else inside.clamp(*room)

        return project

    def _into_ball(self, delta: Tensor, point: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(delta, dim=self._axes(point), keepdim=True)
        radius = self._radius(point)
        return torch.where(length > radius, delta * (radius / length.clamp(min=torch.finfo(delta.dtype).tiny)), delta)

    def _of_ones(self, point: Tensor) -> float:
        return math.sqrt(math.prod(point.shape[axis] for axis in self._axes(point)))

    def _axes(self, point: Tensor) -> tuple[int, ...]:
        first = _FIRST_AXIS[self.per]
        if point.dim() <= first:
            raise InputError(
                f"a ball per {self.per} needs a point of {first + 1} dimensions or more; found shape "
                f"{tuple(point.shape)}: choose another layer, or per='sample'"
            )
        return tuple(range(first, point.dim()))

    def _options(self) -> str:
        return "" if self.per == "sample" else f", per={self.per!r}"
