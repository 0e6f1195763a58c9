"""What every perturbation set can do."""

from abc import ABC, abstractmethod

from torch import Tensor


class PerturbationSet(ABC):
    """A set S(z) of perturbations d that an adversary may add to a point z.

    A new set is one file with one subclass; maximisers and the objective know this interface only. Points,
    gradients and perturbations are `[batch, *latent]`; every method works sample by sample and returns
    `point`'s dtype.
    """

    @abstractmethod
    def steepest(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The d in the ball around `point` that maximises <gradient, d>, whatever the bounds."""

    @abstractmethod
    def project(self, delta: Tensor, point: Tensor) -> Tensor:
        """The d in S(point) next to `delta`."""

    @abstractmethod
    def random(self, point: Tensor) -> Tensor:
        """A random d in S(point), from torch's global generator."""

    def linear_maximum(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The d in S(point) that maximises <gradient, d>: a step to the ball's edge, kept within bounds."""
        return self.project(self.steepest(gradient, point), point)
