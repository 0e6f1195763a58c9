"""Certificates from bounds of the logits over a box: intervals, linear functions."""

import math

import torch
from torch import Tensor

from ratlp.bounds import LossBound
from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import Balls, Problem
from ratlp.certificates.search import RadiusSearch
from ratlp.errors import BoundError


class Bounded(Method):
    """A sample is certified where every other class stays below its own on the whole box around it.

    The largest such box is found by bisection, each sample with a radius of its own in one pass.

    Args:
        name: What results call it.
        bound: Gives the worst logits over a box.

    Example:
        >>> from ratlp.bounds import IntervalBound
        >>> Bounded("interval", IntervalBound())
        Bounded('interval', IntervalBound())
    """

    def __init__(self, name: str, bound: LossBound) -> None:
        self.name = name
        self.bound = bound

    def radii(self, problem: Problem, rows: Tensor, known: Tensor, search: RadiusSearch) -> Found:
        """By bisection, batch by batch."""
        if problem.space.norm != "linf":
            raise BoundError(
                f"bounds over boxes serve the norm 'linf'; found {problem.space.norm!r}, whose balls fill little of "
                "their boxes: use 'closed form' or 'lipschitz'"
            )
        for part in rows.split(problem.batch_size):
            balls = problem.balls(part)
            yield part, search.largest(lambda eps, balls=balls: self._holds(balls, eps), known[part])  # type: ignore[misc]

    def _holds(self, balls: Balls, eps: Tensor) -> Tensor:
        worst = self.bound(balls.rest, balls.edges(eps), balls.y)
        others = worst.scatter(1, balls.y[:, None], -math.inf)
        return (others < 0).all(1) & torch.isfinite(worst).all(1)

    def __repr__(self) -> str:
        return f"Bounded({self.name!r}, {self.bound!r})"
