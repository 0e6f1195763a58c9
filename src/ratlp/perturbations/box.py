"""A box with an upper and a lower edge of its own for each coordinate of each sample."""

import torch
from torch import Tensor

from ratlp.perturbations.base import Edges, PerturbationSet


class Box(PerturbationSet):
    """S(z) = { d : lower <= z + d <= upper }.

    Where the edges carry gradients (a propagated box does), a perturbed point keeps its place in the box: the share
    of the way from the lower edge to the upper is the constant, and gradients flow through the edges. Training then
    learns to make the box small where it hurts. Otherwise they flow through z, as with any set.

    Args:
        lower: `[batch, *latent]`.
        upper: Likewise, nowhere below `lower`.

    Example:
        >>> z = torch.tensor([[0.0, 1.0]])
        >>> box = Box(torch.tensor([[-1.0, 1.0]]), torch.tensor([[0.5, 3.0]]))
        >>> box.linear_maximum(torch.tensor([[2.0, -1.0]]), z)
        tensor([[0.5000, 0.0000]])
    """

    def __init__(self, lower: Tensor, upper: Tensor) -> None:
        self.lower = lower
        self.upper = upper

    def steepest(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The box's half width, in the direction of the gradient's sign."""
        return ((self.upper - self.lower).detach() / 2 * gradient.sign()).to(point.dtype)

    def linear_maximum(self, gradient: Tensor, point: Tensor) -> Tensor:
        """To the upper edge where the gradient is positive, to the lower where it is negative; 0 where it is 0."""
        sign = gradient.sign()
        up, down = self.upper.detach() - point, self.lower.detach() - point
        return (sign.clamp(min=0) * up - sign.clamp(max=0) * down).to(point.dtype)

    def project(self, delta: Tensor, point: Tensor) -> Tensor:
        """Each coordinate to the nearest edge where it is beyond one."""
        return ((point + delta).clamp(self.lower.detach(), self.upper.detach()) - point).to(point.dtype)

    def random(self, point: Tensor) -> Tensor:
        """Uniform in the box."""
        lower, upper = self.lower.detach(), self.upper.detach()
        return (lower + torch.rand_like(point) * (upper - lower) - point).to(point.dtype)

    def moved(self, point: Tensor, delta: Tensor) -> Tensor:
        """Lower + place * (upper - lower), with the place that makes it point + delta; within the box.

        Gradients flow through the edges alone: where the clean point serves nothing else, it needs no backward pass.
        Where the edges carry none: point + delta.
        """
        if not (self.lower.requires_grad or self.upper.requires_grad):
            return super().moved(point, delta)
        # In no half precision: a latent that is large beside its box would round the place away.
        lower, upper = (edge.to(torch.promote_types(edge.dtype, torch.float32)) for edge in (self.lower, self.upper))
        fixed_lower, fixed_upper = lower.detach(), upper.detach()
        place = (point.detach() - fixed_lower + delta) / (fixed_upper - fixed_lower)
        # By lerp: torch.where is many times slower on a CPU, and twice more in the backward pass.
        return torch.lerp(lower, upper, place.nan_to_num_(nan=0.0, posinf=1.0, neginf=0.0).clamp_(0, 1)).to(point.dtype)

    def moved_further(self, point: Tensor, delta: Tensor) -> Tensor:
        """As `moved`, within the box; but what lies beyond an edge already stays beyond it, by as much."""
        # By two functions: clamp gives an edge no gradient where the two are the same.
        inside = torch.minimum(torch.maximum(point, self.lower.to(point.dtype)), self.upper.to(point.dtype))
        return self.moved(inside, self.project(delta, inside.detach())) + (point - inside)

    def edges(self, point: Tensor) -> Edges:
        """The edges."""
        return self.lower, self.upper

    def __repr__(self) -> str:
        return f"Box(shape={tuple(self.lower.shape)})"
