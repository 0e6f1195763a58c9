"""Certificates without a search: the closed form of a linear head, and Lipschitz constants."""

import torch
from torch import Tensor

from ratlp.certificates.lipschitz import certify_lipschitz
from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import Problem, Space
from ratlp.certificates.search import RadiusSearch
from ratlp.errors import BoundError


class Lipschitz(Method):
    """Margins over the Lipschitz constant of what comes after the perturbed point (`certify_lipschitz`).

    Exact where that is one linear layer. Input bounds are not made use of, which is sound.

    Example:
        >>> Lipschitz().name
        'lipschitz'
    """

    name = "lipschitz"

    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """In one go."""
        yield rows, self._certified(problem, rows)

    def _certified(self, problem: Problem, rows: Tensor) -> Tensor:
        space, x = problem.space, problem.x[rows].to(problem.dtype)
        found = certify_lipschitz(
            problem.model, x, problem.y[rows], layer=space.layer, norm=space.norm, batch_size=problem.batch_size
        )
        self._check(found.method)
        # Such a radius promises the class of every nearer point: the float before it, that of all up to it.
        radius = found.latent_radius.cpu()
        return torch.where(radius.isinf(), radius, torch.nextafter(radius, torch.zeros_like(radius)).clamp(min=0))

    def _check(self, found: str) -> None:
        """Whether the method that served is this one."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class ClosedForm(Lipschitz):
    """The distance to the nearest decision boundary where one linear layer follows the perturbed point.

    Example:
        >>> ClosedForm().name
        'closed form'
    """

    name = "closed form"

    def is_exact(self, space: Space) -> bool:
        """Exact unless bounds cut the ball."""
        return space.clipping is None

    def _check(self, found: str) -> None:
        if found != "closed form":
            raise BoundError("a closed form needs one linear layer and nothing else after the perturbed point")
