"""What every perturbation set can do."""

from abc import ABC, abstractmethod

from torch import Tensor


class PerturbationSet(ABC):
    """A set S(z) of perturbations d that an adversary may add to a point z.

    A new set is one file with one subclass; maximisers and the objective know this interface only.
    """

    @abstractmethod
    def linear_maximum(self, gradient: Tensor, point: Tensor) -> Tensor:
        """The d in S(point) that maximises the linear function <gradient, d>, sample by sample.

        Args:
            gradient: `[batch, *latent]`.
            point: `[batch, *latent]`, where the perturbation is added.

        Returns:
            `[batch, *latent]`, of `point`'s dtype.
        """
