"""Random search: what an adversary without a plan finds."""

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import Best
from ratlp.errors import InputError


class Noise(Maximiser):
    """The best of `draws` random perturbations, for each sample. It needs no gradient.

    As an attack it is a check on the others: what climbs a gradient and does worse than noise is broken. In
    training it shows how little noise alone does.

    Args:
        draws: How many perturbations are tried, one forward pass each; >= 1.

    Raises:
        InputError: `draws` is out of its range.

    Example:
        >>> import torch
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> (delta,) = Noise(draws=9)(InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)]))
        >>> bool(delta.abs().max() <= 0.5)
        True
    """

    starts_at_zero = False
    takes_gradients = False

    def __init__(self, *, draws: int) -> None:
        if draws < 1:
            raise InputError(f"draws must be >= 1; found {draws}")
        self.draws = draws

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The best perturbation drawn."""
        best = Best(problem.zeros())
        for _ in range(self.draws):
            if problem.finished:
                break
            deltas = problem.random()
            best.update(problem.losses(deltas), deltas)
        return best.kept

    def __repr__(self) -> str:
        return f"Noise(draws={self.draws})"
