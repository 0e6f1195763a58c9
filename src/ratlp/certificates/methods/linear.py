"""Certificates from linear (CROWN) bounds."""

from torch import Tensor

from ratlp.bounds import Interval, L2Ball, SlopeAscent, linear_margins
from ratlp.bounds.linear.bounds import Intermediate
from ratlp.certificates.methods.searched import Searched
from ratlp.certificates.problem import Balls, Problem

_QUICKEST_ON_PROCESSOR = 16


class LinearMethod(Searched):
    """Linear functions passed back through the rest of the model (CROWN, Zhang et al., arXiv 1811.00866).

    Nowhere looser than intervals, and many times dearer. Serves balls of both norms.

    Args:
        ascent: Optimises the slopes, at a price; None for CROWN's own.
        intermediate: What bounds the inputs of the nonlinearities: "linear", or "interval" (CROWN-IBP, Zhang et al.,
            arXiv 1906.06316), which is looser, and some hundred times cheaper on convolutional nets.

    Example:
        >>> LinearMethod(SlopeAscent(steps=5)).name
        'linear'
    """

    name = "linear"

    def __init__(self, ascent: SlopeAscent | None = None, *, intermediate: Intermediate = "linear") -> None:
        self.ascent = ascent
        self.intermediate: Intermediate = intermediate

    def batch_size(self, problem: Problem) -> int:
        """On a processor few, where a batch costs what its dearest sample does, times its size."""
        if self.intermediate == "interval":
            return problem.batch_size
        on_processor = problem.x.device.type == "cpu"
        return min(problem.batch_size, _QUICKEST_ON_PROCESSOR) if on_processor else problem.batch_size

    def margins(self, balls: Balls, eps: Tensor) -> Tensor:
        """Each difference of logits by the least value of a linear function below it."""
        region = (
            Interval(*balls.edges(eps))
            if balls.space.norm == "linf"
            else L2Ball(balls.points, balls.radius(eps), bounds=balls.space.clipping)
        )
        return linear_margins(balls.rest, region, balls.y, intermediate=self.intermediate, ascent=self.ascent)

    def __repr__(self) -> str:
        own = [] if self.ascent is None else [str(self.ascent)]
        own += [] if self.intermediate == "linear" else [f"intermediate={self.intermediate!r}"]
        return f"LinearMethod({', '.join(own)})"
