"""The box of latents that an input perturbation can reach."""

from collections.abc import Callable

from torch import Tensor

from ratlp.perturbations.ball import Ball, Bounds
from ratlp.perturbations.base import Edges, Perturbation, PerturbationSet
from ratlp.perturbations.box import Box
from ratlp.perturbations.linf import LInf


class Propagated(Perturbation):
    r"""S(z) = { d : lower <= z + d <= upper }, interval bounds of f over the input ball around x.

    The ball { x + e : ||e||_inf <= eps }, kept within `bounds`, is pushed through f by interval arithmetic. The box
    contains every latent that an attack on the input can reach, each coordinate with a radius of its own. An encoder
    that rescales its latents rescales the box, so the budget cannot be escaped; and a net that withstands every point
    of the box withstands the input attack, where all that the rest of the net sees comes through the layer (a skip
    connection around it does not). Relatives: interval training, which bounds the rest of the net too (IBP, Gowal et
    al., arXiv 1810.12715: the same set with `maximiser=IntervalBound()`), COLT (Balunovic and Vechev, 2020) and TAPS
    (Mao et al., arXiv 2305.04574).

    Where the model is trained, gradients flow through the edges of the box.

    Args:
        eps: The radius around the input in L-inf; finite and >= 0, in the input's units. It may be set anew between
            steps, as schedules do. One for each feature, as in `LInf`, may be given.
        bounds: `(low, high)` of the input, such as (0, 1) for pixels: the ball is kept within them.

    Raises:
        InputError: `eps` is negative or not finite, or `bounds` is not an increasing pair.

    Example:
        >>> import torch
        >>> from ratlp import RATLP
        >>> model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> objective = RATLP(model, layer="1", perturbation=Propagated(0.1, bounds=(0, 1)))
        >>> objective(torch.rand(16, 4), torch.randint(2, (16,))).loss.backward()
    """

    def __init__(self, eps: float | Tensor, *, bounds: Bounds | None = None) -> None:
        self.ball: Ball = LInf(eps, bounds=bounds)

    @property
    def eps(self) -> float | Tensor:
        """The radius around the input."""
        return self.ball.eps

    @eps.setter
    def eps(self, value: float | Tensor) -> None:
        self.ball.eps = value

    def within(self, reach: Callable[[PerturbationSet], Edges]) -> PerturbationSet:
        """The box at this batch's latents."""
        return Box(*reach(self.ball))

    def __repr__(self) -> str:
        return f"Propagated({self.ball.described()})"
