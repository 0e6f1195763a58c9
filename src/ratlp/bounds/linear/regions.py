"""What the inputs range over, and the least value of linear functions there."""

from typing import Protocol

import torch
from torch import Tensor

from ratlp.bounds.interval import Interval
from ratlp.bounds.linear.nodes import products
from ratlp.errors import InputError


class Region(Protocol):
    """A set of inputs for each sample."""

    @property
    def box(self) -> Interval:
        """The smallest box around it, `[batch, *input]`."""

    def minimum(self, rows: Tensor) -> Tensor:
        """A lower bound of each row there: `[rows, batch, *input]` to `[rows, batch]`."""


class BoxRegion:
    """All points of an interval.

    Example:
        >>> box = BoxRegion(Interval(torch.zeros(1, 2), torch.ones(1, 2)))
        >>> box.minimum(torch.tensor([[[1.0, -2.0]]]))
        tensor([[-2.]])
    """

    def __init__(self, box: Interval) -> None:
        self.box = box

    def minimum(self, rows: Tensor) -> Tensor:
        """Row times centre minus |row| times radius, the exact minimum."""
        centre, radius = self.box.ball
        return products(rows, centre) - products(rows.abs(), radius)


class L2Ball:
    r"""{ x : ||x - centre||_2 <= radius and lower <= x <= upper }, the norm over a whole sample.

    Args:
        centre: `[batch, *input]`.
        radius: In units of x, >= 0; one for all samples, or `[batch]`.
        bounds: (lower, upper) of every coordinate, such as (0, 1) for pixels; centres must lie within them.

    Raises:
        InputError: The radius is negative, not finite or of another shape, or a centre lies outside of the bounds.

    Example:
        >>> ball = L2Ball(torch.zeros(1, 2), radius=1.0)
        >>> ball.minimum(torch.tensor([[[3.0, 4.0]]]))
        tensor([[-5.]])
    """

    def __init__(self, centre: Tensor, radius: float | Tensor, *, bounds: tuple[float, float] | None = None) -> None:
        radius = torch.as_tensor(radius, dtype=centre.dtype, device=centre.device)
        if radius.shape not in ((), centre.shape[:1]):
            raise InputError(
                f"radius must be one number, or one for each sample, [batch]; found shape {tuple(radius.shape)} for "
                f"{len(centre)} samples"
            )
        if not bool(((radius >= 0) & (radius < torch.inf)).all()):
            found = f"{float(radius.min()):g} to {float(radius.max()):g}"
            raise InputError(f"radius must be finite and >= 0; found {found}")
        low, high = (-torch.inf, torch.inf) if bounds is None else bounds
        if not bool(((centre >= low) & (centre <= high)).all()):
            found = f"{float(centre.min()):g} to {float(centre.max()):g}"
            raise InputError(f"centres must lie within bounds=({low:g}, {high:g}); found {found}")
        self.centre, self.radius = centre, radius
        reach = radius.view(-1, *[1] * (centre.dim() - 1))
        self.box = Interval((centre - reach).clamp(low, high), (centre + reach).clamp(low, high))
        self._is_cut = bounds is not None

    def minimum(self, rows: Tensor) -> Tensor:
        """The ball's minimum, or the box's where that is higher: the region lies in both."""
        lengths = torch.linalg.vector_norm(rows.flatten(2), dim=2)
        ball = products(rows, self.centre) - self.radius * lengths
        return torch.maximum(ball, BoxRegion(self.box).minimum(rows)) if self._is_cut else ball
