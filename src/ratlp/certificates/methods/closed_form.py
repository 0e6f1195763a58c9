"""Exact certificates where one linear layer follows the perturbed point."""

from torch import Tensor

from ratlp.bounds.lipschitz import linear_head
from ratlp.certificates.lipschitz import taken_by
from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import NormedSpace, Problem
from ratlp.certificates.radius import linear_head_radius, up_to
from ratlp.certificates.search import RadiusSearch
from ratlp.errors import BoundError


class ClosedForm(Method):
    """The distance to the nearest decision boundary of a linear head (`linear_head_radius`), in both norms.

    Example:
        >>> ClosedForm().name
        'closed-form'
    """

    name = "closed-form"

    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """Batch by batch."""
        space, model = problem.space, problem.model
        head = linear_head(model, layer=space.layer, input_shape=tuple(problem.x.shape[1:]))
        if head is None:
            raise BoundError("a closed form needs one linear layer and nothing else after the perturbed point")
        for part in rows.split(problem.batch_size):
            z = taken_by(head, model, problem.x[part].to(problem.dtype))
            bias: Tensor | None = head.bias
            yield part, up_to(linear_head_radius(head.weight, bias, z, problem.y[part], norm=space.norm))

    def is_exact(self, space: NormedSpace) -> bool:
        """Exact unless bounds cut the ball."""
        return space.clipping is None

    def __repr__(self) -> str:
        return "ClosedForm()"
