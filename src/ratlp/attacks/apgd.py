"""Auto-PGD: projected gradient ascent with momentum that finds its own step sizes."""

import torch
from torch import Tensor

from ratlp.attacks.base import Deltas, InnerProblem, Maximiser
from ratlp.attacks.best import Best, select
from ratlp.errors import InputError

_FIRST_STEP_SIZE = 2.0  # in radii of the set: any point of it is within reach
_MOMENTUM = 0.75  # the share of the new step; the rest continues the last one


class APGD(Maximiser):
    r"""Auto-PGD: Croce and Hein (arXiv 2003.01690, Algorithm 1), in L-inf, L2 or any set, for any loss.

    From a random point, with step size eta = 2 radii, `steps` times

        u = project(d_k + eta * steepest direction),
        d_(k+1) = project(d_k + 0.75 (u - d_k) + 0.25 (d_k - d_(k-1))).

    At checkpoints, after 22 % of the steps and then at intervals shorter by 3 % down to 6 %, a sample whose loss
    rose in at most `rho` of the steps since the last one, or whose step size and highest loss both are as they
    were there, goes on from its best point with half the step size. There is no step size to tune. For each
    sample the iterate of highest loss over all restarts is returned. With several layers all climb together, at
    one step size for each sample.

    A restart costs `steps` + 1 forward and backward passes.

    Args:
        steps: Steps per restart; >= 1.
        restarts: How often to begin anew at a random point; >= 1.
        rho: Share of rising steps up to which the step size is halved; in [0, 1].

    Raises:
        InputError: An argument is out of its range.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> point = torch.tensor([[3.0, -1.0]])
        >>> APGD(steps=10)(InnerProblem(lambda d: (point + d[0]).square().sum(1), [point], [LInf(0.5)]))
        (tensor([[ 0.5000, -0.5000]]),)
    """

    starts_at_zero = False

    def __init__(self, *, steps: int = 100, restarts: int = 1, rho: float = 0.75) -> None:
        if steps < 1 or restarts < 1:
            raise InputError(f"steps and restarts must be >= 1; found {steps} and {restarts}")
        if not 0 <= rho <= 1:
            raise InputError(f"rho must be in [0, 1]; found {rho}")
        self.steps = steps
        self.restarts = restarts
        self.rho = rho

    def __call__(self, problem: InnerProblem) -> Deltas:
        """The best perturbation found."""
        best = Best(problem.zeros())
        for _ in range(self.restarts):
            if problem.finished:
                break
            best.update(*self._climb(problem).highest())
        return best.kept

    def _climb(self, problem: InnerProblem) -> "_Climb":
        climb = _Climb(problem)
        checkpoints = _checkpoints(self.steps)
        for step in range(1, self.steps + 1):
            if problem.finished:
                break
            climb.step(_MOMENTUM if step > 1 else 1.0)
            if step in checkpoints:
                climb.adapt(enough=self.rho * checkpoints[step])
        return climb

    def __repr__(self) -> str:
        options = [f"steps={self.steps}"]
        options += [f"restarts={self.restarts}"] if self.restarts > 1 else []
        options += [f"rho={self.rho:g}"] if self.rho != 0.75 else []
        return f"APGD({', '.join(options)})"


def _checkpoints(steps: int) -> dict[int, int]:
    """After which steps the step size is looked at, and how many steps after the time before."""
    interval, fewer, least = (max(int(share * steps), 1) for share in (0.22, 0.03, 0.06))
    at, found = interval, {}
    while at <= steps:
        found[at] = interval
        interval = max(interval - fewer, least)
        at += interval
    return found


class _Climb:
    """One restart: where each sample is, where it was before, its best point, and its step size."""

    def __init__(self, problem: InnerProblem) -> None:
        self._problem = problem
        self._deltas = self._before = problem.random()
        self._losses, self._gradients = problem.losses_and_gradients(self._deltas)
        zeros = problem.zeros()
        self._best = Best((*zeros, *zeros))
        self._best.update(self._losses, (*self._deltas, *self._gradients))
        self._best_before = self._best.losses
        self._step_sizes = torch.full_like(self._losses, _FIRST_STEP_SIZE)
        self._halved = torch.ones_like(self._losses, dtype=torch.bool)  # no halving for want of progress at first
        self._rises = torch.zeros_like(self._losses, dtype=torch.int64)

    def step(self, momentum: float) -> None:
        """One step of each sample, and the loss and gradient there."""
        ahead = self._problem.step(self._deltas, self._gradients, step_size=self._step_sizes)
        # d + a (u - d) + (1 - a) (d - before), between where it drifts to and the step
        moved = tuple(
            torch.lerp(2 * now - before, then, momentum)
            for now, before, then in zip(self._deltas, self._before, ahead, strict=True)
        )
        self._before, self._deltas = self._deltas, self._problem.project(moved)
        losses, self._gradients = self._problem.losses_and_gradients(self._deltas)
        self._rises = self._rises + (losses > self._losses)
        self._losses = losses
        self._best.update(losses, (*self._deltas, *self._gradients))

    def adapt(self, *, enough: float) -> None:
        """Halve the step size, from the best point on, where the loss rose too rarely or got nowhere."""
        stuck = ~self._halved & (self._best.losses <= self._best_before)
        halve = (self._rises <= enough) | stuck
        self._step_sizes = torch.where(halve, self._step_sizes / 2, self._step_sizes)
        n = len(self._deltas)
        self._deltas = select(halve, self._best.kept[:n], self._deltas)
        self._gradients = select(halve, self._best.kept[n:], self._gradients)
        self._halved, self._best_before = halve, self._best.losses
        self._rises = torch.zeros_like(self._rises)

    def highest(self) -> tuple[Tensor, Deltas]:
        """The highest losses, and where they were seen."""
        return self._best.losses, self._best.kept[: len(self._deltas)]
