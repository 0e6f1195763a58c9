"""What certificates from bounds of the logits have in common: the largest ball is searched for."""

from abc import abstractmethod

from torch import Tensor

from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import Balls, Problem
from ratlp.certificates.search import RadiusSearch


class Searched(Method):
    """A sample is certified where its logit stays above every other on the whole ball around it.

    The largest such ball is found by bisection, each sample with a radius of its own in one pass of the batch.
    """

    @abstractmethod
    def margins(self, balls: Balls, eps: Tensor) -> Tensor:
        """Lower bounds of z_y - z_j over each sample's ball, `[batch, classes]`; anything at j = y.

        Args:
            balls: A batch.
            eps: The radius of each, `[batch]`, float64.

        Raises:
            BoundError: The model has an operation without a rule.
        """

    def batch_size(self, problem: Problem) -> int:
        """Samples at once."""
        return problem.batch_size

    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """By bisection, batch by batch."""
        for part in rows.split(self.batch_size(problem)):
            balls = problem.balls(part)

            def holds(eps: Tensor, balls: Balls = balls) -> Tensor:
                margins = self.margins(balls, eps)
                # Bounds that overflow or that nobody knows (nan) prove nothing.
                return ((margins > 0) & margins.isfinite()).scatter(1, balls.y[:, None], True).all(1)

            yield part, search.largest(holds, known[part])

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"
