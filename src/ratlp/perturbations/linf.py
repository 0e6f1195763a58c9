"""The L-inf ball: each coordinate moves by at most eps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ratlp.perturbations.ball import Ball


class LInf(Ball):
    r"""S(z) = { d : ||d||_inf <= eps }, optionally relative to z's scale and within bounds.

    The paper's set (RAT-LP, section 3.2). Its L2 radius grows with the latent's size: eps * sqrt(m).

    Args:
        eps: The radius, in units of the point, or of its scale; finite and >= 0. A tensor, broadcastable to a
            sample, gives each feature its own, as for tabular data in its own units.
        relative_to: The scale of a point, such as `rms_per_sample`; 1 where not given.
        bounds: `(low, high)`: z + d stays within them. For the input, where a pixel has a range, or, with tensors,
            each feature its own. A point outside may stay where it is, but moves no further out.

    Raises:
        InputError: `eps` is negative or not finite, or `bounds` is not an increasing pair; on use, that a tensor
            among them does not fit the sample.

    Example:
        >>> z = torch.tensor([[0.0, 0.95]])
        >>> LInf(0.25, bounds=(0, 1)).linear_maximum(torch.ones(1, 2), z)
        tensor([[0.2500, 0.0500]])
        >>> years_and_income = LInf(torch.tensor([5.0, 1000.0]), bounds=(0, torch.tensor([120.0, torch.inf])))
        >>> years_and_income.linear_maximum(torch.ones(1, 2), torch.tensor([[118.0, 30000.0]]))
        tensor([[   2., 1000.]])
    """

    def steepest(self, gradient: Tensor, point: Tensor) -> Tensor:
        """Eps * sign(gradient).

        sign(0) = 0, as in the paper's step: a coordinate on which the loss does not depend (a dead ReLU)
        stays where it is.
        """
        return gradient.sign().mul_(self._radius(point)).to(point.dtype)

    def random(self, point: Tensor) -> Tensor:
        """Uniform in the ball, then kept within the bounds."""
        return self.project(self._radius(point) * (2 * torch.rand_like(point) - 1), point)

    def projection(self, point: Tensor) -> Callable[[Tensor], Tensor]:
        """Ball and bounds together are a box: one clamp for each perturbation."""
        radius, room = self._radius(point), self._room(point)
        if room is None:
            return lambda delta: _clamped(delta, -radius, radius).to(point.dtype)
        down, up = _clamped(room[0], -radius, None), _clamped(room[1], None, radius)
        return lambda delta: delta.clamp(down, up).to(point.dtype)


def _clamped(value: Tensor, low: float | Tensor | None, high: float | Tensor | None) -> Tensor:
    limits: Any = low, high  # clamp takes numbers or tensors, not one of each
    inside: Tensor = value.clamp(*limits)
    return inside
