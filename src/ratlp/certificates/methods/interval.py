"""Certificates from interval bounds."""

from torch import Tensor

from ratlp.bounds import Interval, margin_lower_bounds
from ratlp.bounds.interval import logits_over
from ratlp.certificates.methods.searched import Searched
from ratlp.certificates.problem import Balls


class IntervalMethod(Searched):
    """Intervals through the rest of the model (Gowal et al., arXiv 1810.12715): quick, and tight on nets trained so.

    Example:
        >>> IntervalMethod().name
        'interval'
    """

    name = "interval"
    norms = ("linf",)  # the box around an L2 ball is far larger than the ball

    def margins(self, balls: Balls, eps: Tensor) -> Tensor:
        """Each difference of logits by its worst value over the box."""
        return margin_lower_bounds(logits_over(balls.rest, Interval(*balls.edges(eps))), balls.y)
