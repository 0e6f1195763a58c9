"""Projected gradient descent: many small steps, each projected back into the set."""

import math
from collections.abc import Callable

from torch import Tensor

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import Best
from ratlp.errors import InputError


class PGD(Maximiser):
    r"""d <- project(d + step_size * eps * steepest direction), `steps` times.

    Madry et al. (arXiv 1706.06083). With several layers all climb together, as in latent adversarial training of
    language models (arXiv 2407.15549).

    Args:
        steps: Gradients taken per restart; >= 1.
        step_size: In radii of the set; > 0. 2.5 / steps unless given, as in Madry et al.
        random_start: Whether to begin at a random point of the set, not at 0.
        restarts: How often to begin anew; >= 1. More than one needs a random start.
        keep_best: Whether to return, for each sample, the iterate of highest loss over all steps and restarts,
            which costs one more forward pass per restart; otherwise the last iterate is returned, which is what
            training usually takes, and `restarts` must be 1.

    Raises:
        InputError: An argument is out of its range.

    Example:
        >>> import torch
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> PGD(steps=4)(InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)]))
        (tensor([[ 0.5000, -0.5000]]),)
    """

    def __init__(
        self,
        *,
        steps: int,
        step_size: float | None = None,
        random_start: bool = True,
        restarts: int = 1,
        keep_best: bool = True,
    ) -> None:
        if steps < 1 or restarts < 1:
            raise InputError(f"steps and restarts must be >= 1; found {steps} and {restarts}")
        if step_size is not None and not (math.isfinite(step_size) and step_size > 0):
            raise InputError(f"step_size must be finite and > 0, in radii of the set; found {step_size}")
        if restarts > 1 and not (random_start and keep_best):
            raise InputError(
                "restarts > 1 need random_start=True and keep_best=True; "
                f"found restarts={restarts}, random_start={random_start}, keep_best={keep_best}"
            )
        self.steps = steps
        self.step_size = 2.5 / steps if step_size is None else step_size
        self.random_start = random_start
        self.restarts = restarts
        self.keep_best = keep_best
        self.starts_at_zero = not (random_start or keep_best)

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The best perturbation found, or the last."""
        if not self.keep_best:
            return self._climb(problem, lambda losses, deltas: None)
        best = Best(problem.zeros())
        for _ in range(self.restarts):
            deltas = self._climb(problem, best.update)
            best.update(problem.losses(deltas), deltas)
        return best.kept

    def _climb(self, problem: InnerProblem, seen: Callable[[Tensor, Deltas], None]) -> Deltas:
        """One restart; `seen` is told of every iterate whose loss is computed on the way."""
        deltas, first = problem.zeros(), 0
        if self.random_start:
            deltas = problem.random()
        elif not self.keep_best:  # the gradient at 0 may be known already, its losses are not
            deltas, first = problem.step(deltas, problem.gradients, step_size=self.step_size), 1
        for _ in range(first, self.steps):
            if problem.finished:
                break
            losses, gradients = problem.losses_and_gradients(deltas)
            seen(losses, deltas)
            deltas = problem.step(deltas, gradients, step_size=self.step_size)
        return deltas

    def __repr__(self) -> str:
        options = [f"steps={self.steps}", f"step_size={self.step_size:g}"]
        options += [] if self.random_start else ["random_start=False"]
        options += [f"restarts={self.restarts}"] if self.restarts > 1 else []
        options += [] if self.keep_best else ["keep_best=False"]
        return f"PGD({', '.join(options)})"
