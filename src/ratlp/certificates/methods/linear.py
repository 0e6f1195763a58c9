"""Certificates from linear (CROWN) bounds."""

from torch import Tensor

from ratlp.bounds import Interval, L2Ball, SlopeAscent, linear_margins
from ratlp.certificates.methods.searched import Searched
from ratlp.certificates.problem import Balls, Problem

_QUICKEST_ON_PROCESSOR = 16


class LinearMethod(Searched):
    """Linear functions passed back through the rest of the model (CROWN, Zhang et al., arXiv 1811.00866).

    Nowhere looser than intervals, and many times dearer. Serves balls of both norms.

    Args:
        ascent: Optimises the slopes, at a price; None for CROWN's own.

    Example:
        >>> LinearMethod(SlopeAscent(steps=5)).name
        'linear'
    """

    name = "linear"

    def __init__(self, ascent: SlopeAscent | None = None) -> None:
        self.ascent = ascent

    def batch_size(self, problem: Problem) -> int:
        """On a processor few, where a batch costs what its dearest sample does, times its size."""
        on_processor = problem.x.device.type == "cpu"
        return min(problem.batch_size, _QUICKEST_ON_PROCESSOR) if on_processor else problem.batch_size

    def margins(self, balls: Balls, eps: Tensor) -> Tensor:
        """Each difference of logits by the least value of a linear function below it."""
        region = (
            Interval(*balls.edges(eps))
            if balls.space.norm == "linf"
            else L2Ball(balls.points, balls.radius(eps), bounds=balls.space.clipping)
        )
        return linear_margins(balls.rest, region, balls.y, ascent=self.ascent)

    def __repr__(self) -> str:
        return f"LinearMethod({'' if self.ascent is None else self.ascent})"
