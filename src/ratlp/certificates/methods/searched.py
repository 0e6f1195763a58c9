"""What certificates from bounds of the logits have in common: the largest ball is searched for."""

from abc import abstractmethod

import torch
from torch import Tensor

from ratlp.certificates.methods.base import Found, Method
from ratlp.certificates.problem import Balls, Problem
from ratlp.certificates.search import RadiusSearch
from ratlp.errors import BoundError

_MARGIN, _UNITS = 1e-3, 32
"""By which share of a sample's largest margin, and how many roundings of its largest logit, bounds may lie above."""


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
            centres = _centres_of(balls)

            def holds(eps: Tensor, balls: Balls = balls, centres: tuple[Tensor, Tensor] = centres) -> Tensor:
                margins = self.margins(balls, eps)
                _check_below(margins, *centres, balls.y)
                # Bounds that overflow or that nobody knows (nan) prove nothing.
                return ((margins > 0) & margins.isfinite()).scatter(1, balls.y[:, None], True).all(1)

            yield part, search.largest(holds, known[part])

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


def _centres_of(balls: Balls) -> tuple[Tensor, Tensor]:
    """The margins at the centres, and how far bounds may lie above them by rounding."""
    logits = balls.rest(balls.points)
    margins = logits.gather(1, balls.y[:, None]) - logits
    unit = torch.finfo(logits.dtype).eps * logits.abs().amax(1, keepdim=True)
    return margins, _MARGIN * margins.abs().amax(1, keepdim=True) + _UNITS * unit + torch.finfo(logits.dtype).tiny


def _check_below(margins: Tensor, at_centres: Tensor, slack: Tensor, y: Tensor) -> None:
    """A ball holds its centre: bounds above the margins there are of something else than the model.

    Raises:
        BoundError: There are such.
    """
    excess = (margins - at_centres).scatter(1, y[:, None], 0.0)
    wrong = (excess > slack) & margins.isfinite()
    if bool(wrong.any()):
        raise BoundError(
            "bounds over a ball must hold for its centre; found margins above the model's own there, by "
            f"{float(excess[wrong].max()):g}: its forward goes another way where it is given bounds (it catches "
            "errors, or looks at types), or a rule of the caller's own is wrong"
        )
