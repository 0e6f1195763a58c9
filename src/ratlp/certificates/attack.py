"""An attack beside a certificate: what it breaks is an upper bound of what can be certified."""

import math

import torch
from torch import Tensor

from ratlp.attacks import ClassifierProblem, Deltas, Maximiser
from ratlp.certificates.problem import Balls, Problem
from ratlp.perturbations import perturbation_set


def smallest_broken(problem: Problem, rows: Tensor, eps: tuple[float, ...], attack: Maximiser) -> Tensor:
    """The smallest of some radii at which an attack changes a sample's class: `[rows]`, inf where none does.

    What is broken at one radius counts as broken at every larger one, and is not attacked again.

    Args:
        problem: The samples and their balls, in the model's own precision.
        rows: Which samples; all are classified as their label.
        eps: Ascending.
        attack: Any maximiser, such as `PGD(steps=50, restarts=5)`. It draws from a fixed seed.

    Example:
        >>> from ratlp.attacks import PGD
        >>> from ratlp.certificates.problem import NormedSpace
        >>> model, x = torch.nn.Linear(1, 2, bias=False), torch.tensor([[1.0]])
        >>> _ = torch.nn.init.constant_(model.weight[0], 1.0), torch.nn.init.zeros_(model.weight[1])
        >>> space = NormedSpace.of(model, "input", norm="linf", bounds=None)
        >>> with torch.no_grad():
        ...     problem = Problem(model, x, torch.tensor([0]), space, dtype=x.dtype)
        ...     smallest_broken(problem, torch.tensor([0]), (0.5, 1.5), PGD(steps=5))
        tensor([1.5000], dtype=torch.float64)
    """
    found = torch.full(rows.shape, math.inf, dtype=torch.float64)
    for radius in eps:
        left = found.isinf().nonzero().flatten()
        for part in left.split(problem.batch_size):
            attacked = _Attacked(problem, rows[part], radius)
            attacked.climb.attacked_by(attack)
            found[part[attacked.climb.misclassified.cpu()]] = radius
    return found


class _Attacked:
    """A batch under attack, encoded anew when samples drop out."""

    def __init__(self, problem: Problem, rows: Tensor, eps: float) -> None:
        self._problem, self._rows = problem, rows
        self._balls: Balls = problem.balls(rows)
        ball = perturbation_set(problem.space.norm, eps, bounds=problem.space.clipping)
        self.climb = ClassifierProblem(self._logits, self._balls.y, [self._balls.points], [ball])

    def _logits(self, deltas: Deltas, rows: Tensor) -> Tensor:
        if len(rows) != len(self._balls.y):
            self._balls = self._problem.balls(self._rows[rows.cpu()])
        return self._balls.rest(self._balls.points + deltas[0])
