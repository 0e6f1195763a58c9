"""Certificates from Lipschitz constants."""

from torch import Tensor

from ratlp.certificates.lipschitz import certify_lipschitz
from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import Problem
from ratlp.certificates.radius import up_to
from ratlp.certificates.search import RadiusSearch


class LipschitzMethod(Method):
    """Margins over the Lipschitz constant of what comes after the perturbed point (`certify_lipschitz`).

    No search is needed, and both norms are served. Bounds of the input are not made use of, which is sound.

    Example:
        >>> LipschitzMethod().name
        'lipschitz'
    """

    name = "lipschitz"

    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """All in one go."""
        space, x = problem.space, problem.x[rows].to(problem.dtype)
        found = certify_lipschitz(
            problem.model, x, problem.y[rows], layer=space.layer, norm=space.norm, batch_size=problem.batch_size
        )
        yield rows, up_to(found.latent_radius)

    def __repr__(self) -> str:
        return "LipschitzMethod()"
