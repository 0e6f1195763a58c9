"""What every perturbation can do."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Self

from torch import Tensor

from ratlp.errors import BoundError, InputError

Edges = tuple[Tensor, Tensor]
"""Lower and upper bounds of a latent, `[batch, *latent]` each."""


class Perturbation(ABC):
    """What the objective is told of an adversary: a set S(z), or how to find it for each batch."""

    @abstractmethod
    def within(self, reach: "Callable[[PerturbationSet], Edges]") -> "PerturbationSet":
        """The set at this batch's latents.

        Args:
            reach: Maps a set around the model's input to bounds of the latents that it leads to.
        """


class PerturbationSet(Perturbation):
    """A set S(z) of perturbations d that an adversary may add to a point z.

    A new set is one file with one subclass; maximisers and the objective know this interface only. Points,
    gradients and perturbations are `[batch, *latent]`; every method works sample by sample and returns
    `point`'s dtype.
    """

    def within(self, reach: Callable[["PerturbationSet"], Edges]) -> "PerturbationSet":
        """The set itself: it needs the latent alone."""
        return self

    @abstractmethod
    def steepest(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The d in the ball around `point` that maximises <gradient, d>, whatever the bounds."""

    @abstractmethod
    def project(self, delta: Tensor, point: Tensor) -> Tensor:
        """The d in S(point) next to `delta`."""

    def projection(self, point: Tensor) -> Callable[[Tensor], Tensor]:
        """As `project`, around one point again and again: what depends on the point alone may be computed once."""
        return lambda delta: self.project(delta, point)

    @abstractmethod
    def random(self, point: Tensor) -> Tensor:
        """A random d in S(point), from torch's global generator."""

    def linear_maximum(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The d in S(point) that maximises <gradient, d>: a step to the ball's edge, kept within bounds."""
        return self.project(self.steepest(gradient, point), point)

    def moved(self, point: Tensor, delta: Tensor) -> Tensor:
        """The perturbed point, differentiable in what is trained; the perturbation itself is a constant."""
        return point + delta

    def moved_further(self, point: Tensor, delta: Tensor) -> Tensor:
        """As `moved`, of a point that is no clean one: a layer before it is perturbed too."""
        return self.moved(point, delta)

    def with_eps(self, eps: float | Tensor) -> Self:
        """The same set with another radius.

        Args:
            eps: As the set's own.

        Raises:
            InputError: The set has no radius, or this one is out of its range.

        Example:
            >>> from ratlp.perturbations import LInf
            >>> LInf(0.1, bounds=(0, 1)).with_eps(0.2)
            LInf(0.2, bounds=(0, 1))
        """
        if not hasattr(self, "eps"):
            raise InputError(f"another eps needs a set that has one; found {type(self).__name__}")
        other: Any = copy.copy(self)
        other.eps = eps
        return other  # type: ignore[no-any-return]

    def edges(self, point: Tensor) -> Edges:
        """Bounds of every point + d with d in S(point), differentiable in what is trained.

        Raises:
            BoundError: The set does not say.
        """
        raise BoundError(
            f"bounds need a set that gives its edges; found {type(self).__name__}: write its method edges, or use LInf"
        )
