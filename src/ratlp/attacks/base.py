"""The inner problem, and what every maximiser of it can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from ratlp.perturbations import PerturbationSet


class InnerProblem:
    """max over d in S(point) of loss_at(point + d).

    Args:
        loss_at: Maps a perturbed point `[batch, *latent]` to the loss, a scalar.
        point: `[batch, *latent]`, detached.
        perturbation: The set S.
        gradient: The loss's gradient at `point`, where it is known already: training has it from the clean
            backward pass, at no cost.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> problem = InnerProblem(lambda z: (z**2).sum(), torch.tensor([3.0, -1.0]), LInf(0.5))
        >>> problem.gradient
        tensor([ 6., -2.])
    """

    def __init__(
        self,
        loss_at: Callable[[Tensor], Tensor],
        point: Tensor,
        perturbation: PerturbationSet,
        *,
        gradient: Tensor | None = None,
    ) -> None:
        self.loss_at = loss_at
        self.point = point
        self.perturbation = perturbation
        if gradient is not None:
            self.gradient = gradient

    @cached_property
    def gradient(self) -> Tensor:
        """The loss's gradient at the unperturbed point; no parameter's `.grad` is touched."""
        return self.gradient_at(self.point)

    def gradient_at(self, point: Tensor) -> Tensor:
        """The loss's gradient at `point`; no parameter's `.grad` is touched."""
        with torch.enable_grad():
            point = point.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.loss_at(point), point)
        return gradient


class Maximiser(ABC):
    """Finds a perturbation of high loss. A new maximiser is one file with one subclass."""

    @abstractmethod
    def __call__(self, problem: InnerProblem) -> Tensor:
        """A perturbation d in `problem.perturbation`, shaped as the point, detached."""
