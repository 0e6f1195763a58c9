"""The inner problem, and what every maximiser of it can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from torch import Tensor

from ratlp.latent.precision import in_float16
from ratlp.perturbations import PerturbationSet

_SCALE_IN_FLOAT16 = 2.0**10

Deltas = tuple[Tensor, ...]
"""One perturbation for each point."""


def per_sample(values: Tensor, near: Tensor) -> Tensor:
    """Values `[batch]`, or one for the whole batch, broadcastable to a point `[batch, *latent]`.

    Example:
        >>> per_sample(torch.ones(4), torch.zeros(4, 3, 2)).shape
        torch.Size([4, 1, 1])
    """
    return values.view(-1, *[1] * (near.dim() - 1))


def wide(tensor: Tensor) -> torch.dtype:
    """The tensor's type, or float32 where that is narrower.

    Example:
        >>> wide(torch.ones(1, dtype=torch.float16))
        torch.float32
    """
    return torch.promote_types(tensor.dtype, torch.float32)


class InnerProblem:
    """max over d_i in S_i(z_i) of loss(z_1 + d_1, z_2 + d_2, ...): one point, or several that are moved together.

    Args:
        losses_at: Maps perturbations to the loss of each sample, `[batch]`, or to a scalar for the whole batch.
        points: `[batch, *latent]` each, detached.
        perturbations: The set of each point.
        masks: For each point, what may be moved, broadcastable to it; None for all of it. Padding is held so.
        gradients: The loss's gradients at d = 0, up to a positive factor per sample, where they are known
            already: training has them from the clean backward pass, at no cost.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> problem = InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)])
        >>> problem.gradients
        (tensor([[ 6., -2.]]),)
    """

    def __init__(
        self,
        losses_at: Callable[[Deltas], Tensor],
        points: Sequence[Tensor],
        perturbations: Sequence[PerturbationSet],
        *,
        masks: Sequence[Tensor | None] | None = None,
        gradients: Sequence[Tensor] | None = None,
    ) -> None:
        self._losses_at = losses_at
        self.points = tuple(points)
        self.perturbations = tuple(perturbations)
        self._masks = tuple(masks) if masks is not None else (None,) * len(self.points)
        if gradients is not None:
            self.gradients = self._masked(gradients)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to search for: a maximiser may then stop. Never so in training."""
        return False

    @cached_property
    def gradients(self) -> Deltas:
        """The gradients at d = 0; no parameter's `.grad` is touched."""
        return self.losses_and_gradients(self.zeros())[1]

    def losses(self, deltas: Deltas) -> Tensor:
        """The loss of each sample at the perturbed points, `[batch]`, or a scalar; without a graph."""
        with torch.no_grad():
            return self._losses_at(deltas)

    def losses_and_gradients(self, deltas: Deltas) -> tuple[Tensor, Deltas]:
        """The losses, and the gradient of their sum in each perturbation, in float16 up to a positive factor.

        No parameter's `.grad` is touched.
        """
        losses, gradients = self._differentiated(deltas)
        return losses, self._masked(gradients)

    def _differentiated(self, deltas: Deltas) -> tuple[Tensor, Deltas]:
        """Losses and gradients, also of what may not be moved."""
        with torch.enable_grad():
            leaves = tuple(delta.detach().requires_grad_() for delta in deltas)
            losses = self._losses_at(leaves)
            # A positive factor changes no direction, and in float16 it keeps small gradients from underflow.
            scale = torch.full_like(losses, _SCALE_IN_FLOAT16 if in_float16(leaves[0]) else 1.0)
            found = torch.autograd.grad(losses, leaves, scale, allow_unused=True)
        gradients = tuple(torch.zeros_like(d) if g is None else g for d, g in zip(leaves, found, strict=True))
        return losses.detach(), gradients

    def zeros(self) -> Deltas:
        """No perturbation."""
        return tuple(torch.zeros_like(point) for point in self.points)

    def random(self) -> Deltas:
        """A random perturbation in each set."""
        drawn = (set_.random(point) for set_, point in zip(self.perturbations, self.points, strict=True))
        return self._masked(tuple(drawn))

    def linear_maximum(self, gradients: Deltas) -> Deltas:
        """In each set the maximiser of <gradient, d>."""
        parts = zip(self.perturbations, gradients, self.points, strict=True)
        return tuple(set_.linear_maximum(gradient, point) for set_, gradient, point in parts)

    def steepest(self, gradients: Deltas) -> Deltas:
        """The steepest direction of each set, one radius long, whatever the bounds."""
        parts = zip(self.perturbations, gradients, self.points, strict=True)
        return tuple(set_.steepest(gradient, point) for set_, gradient, point in parts)

    def project(self, deltas: Deltas) -> Deltas:
        """The perturbations next to `deltas` that lie in the sets and move only what may be moved."""
        parts = zip(self._projections, deltas, strict=True)
        return self._masked(tuple(project(delta) for project, delta in parts))

    @cached_property
    def _projections(self) -> tuple[Callable[[Tensor], Tensor], ...]:
        return tuple(set_.projection(point) for set_, point in zip(self.perturbations, self.points, strict=True))

    def step(self, deltas: Deltas, gradients: Deltas, *, step_size: float | Tensor) -> Deltas:
        """A step of `step_size` radii along the steepest direction of each set, projected back into it.

        `step_size` is one number, or `[batch]`.
        """
        directions = self.steepest(gradients)
        if isinstance(step_size, Tensor):
            sizes = [per_sample(step_size, delta).to(delta.dtype) for delta in deltas]
            return self.project(tuple(d + size * u for d, size, u in zip(deltas, sizes, directions, strict=True)))
        return self.project(tuple(d.add(u, alpha=step_size) for d, u in zip(deltas, directions, strict=True)))

    def _masked(self, tensors: Sequence[Tensor]) -> Deltas:
        return tuple(
            tensor if mask is None else torch.where(mask, tensor, 0)
            for tensor, mask in zip(tensors, self._masks, strict=True)
        )


class Maximiser(ABC):
    """Finds perturbations of high loss. A new maximiser is one file with one subclass.

    Attributes:
        starts_at_zero: Whether the gradient at d = 0 is used; training then provides it.
        takes_gradients: Whether gradients are used; not by a search that sees losses alone. Evaluation varies an
            attack with gradients, and holds those without against it.
        single_step: Whether it is one step along one gradient, as FGSM is, which iterative attacks must match.
    """

    starts_at_zero: bool
    takes_gradients: bool = True
    single_step: bool = False

    @property
    def iterative(self) -> bool:
        """Whether it takes gradients and several steps, as evaluation wants the attack that it varies."""
        return self.takes_gradients and not self.single_step

    @abstractmethod
    def __call__(self, problem: InnerProblem) -> Deltas:
        """A perturbation in each of `problem.perturbations`, detached."""
