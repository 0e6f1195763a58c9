"""An attack beside a certificate: what it breaks is an upper bound of what can be certified."""

import math

import torch
from torch import Tensor

from ratlp.attacks import InnerProblem, Maximiser
from ratlp.certificates.problem import Balls, Problem, Space
from ratlp.perturbations import L2, LInf
from ratlp.perturbations.ball import Ball


def smallest_broken(problem: Problem, rows: Tensor, eps: tuple[float, ...], attack: Maximiser) -> Tensor:
    """The smallest of some radii at which an attack changes a sample's class: `[rows]`, inf where none does.

    What is broken at one radius counts as broken at every larger one, and is not attacked again. The attack climbs
    max over j != y of logits_j - logits_y (Carlini and Wagner, arXiv 1608.04644): above 0 the class has changed.

    Args:
        problem: The samples and their balls, in the model's own precision.
        rows: Which samples; all are classified as their label.
        eps: Ascending.
        attack: One that returns its best iterate, such as `PGD(steps=50, restarts=5)`. It draws from a fixed seed; the
            model is at rest, which puts the random state back.

    Example:
        >>> from ratlp.attacks import PGD
        >>> model, x = torch.nn.Linear(1, 2, bias=False), torch.tensor([[1.0]])
        >>> _ = torch.nn.init.constant_(model.weight[0], 1.0), torch.nn.init.zeros_(model.weight[1])
        >>> space = Space.of(model, "input", norm="linf", bounds=None)
        >>> with torch.no_grad():
        ...     problem = Problem(model, x, torch.tensor([0]), space, dtype=x.dtype)
        ...     smallest_broken(problem, torch.tensor([0]), (0.5, 1.5), PGD(steps=5))
        tensor([1.5000], dtype=torch.float64)
    """
    found = torch.full(rows.shape, math.inf, dtype=torch.float64)
    _seed(problem.x)
    for radius in eps:
        left = found.isinf().nonzero().flatten()
        for part in left.split(problem.batch_size):
            broken = _broken(problem.balls(rows[part]), radius, attack)
            found[part[broken]] = radius
    return found


def _seed(near: Tensor) -> None:
    """The same attack each time; whoever calls holds the random state."""
    torch.default_generator.manual_seed(0)
    if near.device.type == "cuda":
        with torch.cuda.device(near.device):
            torch.cuda.manual_seed(0)


def _broken(balls: Balls, eps: float, attack: Maximiser) -> Tensor:
    def losses_at(deltas: tuple[Tensor, ...]) -> Tensor:
        return wrong_lead(balls.rest(balls.points + deltas[0]), balls.y)

    problem = InnerProblem(losses_at, [balls.points], [_ball(balls.space, eps)])
    return (problem.losses(attack(problem)) > 0).cpu()


def wrong_lead(logits: Tensor, y: Tensor) -> Tensor:
    """By how much the best wrong class leads, `[batch]`: max over j != y of logits_j - logits_y.

    Example:
        >>> wrong_lead(torch.tensor([[3.0, 1.0, 2.0]]), torch.tensor([0]))
        tensor([-1.])
    """
    own = y[:, None]
    return logits.scatter(1, own, -math.inf).amax(1) - logits.gather(1, own)[:, 0]


def _ball(space: Space, eps: float) -> Ball:
    return LInf(eps, bounds=space.clipping) if space.norm == "linf" else L2(eps, bounds=space.clipping)
