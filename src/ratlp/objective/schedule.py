"""Budgets and weights that grow while a model trains."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from ratlp.errors import InputError
from ratlp.objective.rat_lp import RATLP
from ratlp.perturbations import Perturbation


class Ramp(ABC):
    """A share of the final value, from 0 to 1, as a function of the step. A new ramp is one subclass.

    Args:
        over: Steps from 0 to 1; >= 1.
        after: Steps at 0 before; >= 0.

    Raises:
        InputError: An argument is out of its range.
    """

    def __init__(self, over: int, *, after: int = 0) -> None:
        if over < 1 or after < 0:
            raise InputError(f"a ramp needs over >= 1 and after >= 0 steps; found over={over} and after={after}")
        self.over = over
        self.after = after

    def __call__(self, step: int) -> float:
        """The share at a step, counted from 0; 1 once the ramp is over."""
        return self._share(min(max((step - self.after) / self.over, 0.0), 1.0))

    @abstractmethod
    def _share(self, progress: float) -> float:
        """The share at a progress in [0, 1]."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(over={self.over}{f', after={self.after}' if self.after else ''})"


class LinearRamp(Ramp):
    """Rises evenly.

    Example:
        >>> [LinearRamp(over=4)(step) for step in range(6)]
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    """

    def _share(self, progress: float) -> float:
        return progress


class SmoothRamp(Ramp):
    """Rises as a fourth power for the first quarter, then evenly, without a kink between (Xu et al., arXiv 2002.12920).

    A budget that starts so leaves the net time to learn before the bounds begin to weigh.

    Example:
        >>> [round(SmoothRamp(over=4)(step), 4) for step in range(6)]
        [0.0, 0.0769, 0.3846, 0.6923, 1.0, 1.0]
    """

    def _share(self, progress: float) -> float:
        # a p^4 up to p = m, then a line of equal slope through (1, 1): a m^4 + 4 a m^3 (1 - m) = 1.
        middle = 0.25
        factor = 1 / (middle**4 + 4 * middle**3 * (1 - middle))
        if progress <= middle:
            return factor * progress**4
        return factor * (middle**4 + 4 * middle**3 * (progress - middle))


class Schedule:
    """Moves an objective's budgets and weight along ramps, one step of training at a time.

    The values that the objective has when the schedule is made are the final ones. Call `step()` after each step of
    the optimiser, as with torch's own schedulers.

    Args:
        objective: Whose `eps` and `weight` are set.
        eps: The ramp of every budget; constant where not given.
        weight: The ramp of the adversarial loss's weight; constant where not given.

    Raises:
        InputError: A budget has no `eps` to set.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
        >>> objective = RATLP(model, layer="1", eps=0.2)
        >>> schedule = Schedule(objective, eps=LinearRamp(over=4))
        >>> for _ in range(3):
        ...     schedule.step()
        >>> round(objective.perturbations["1"].eps, 4)
        0.15
    """

    def __init__(self, objective: RATLP, *, eps: Ramp | None = None, weight: Ramp | None = None) -> None:
        self._objective = objective
        self._eps = eps
        self._weight = weight
        self._step = 0
        # One budget may serve several layers.
        budgets = {id(set_): set_ for set_ in objective.perturbations.values()} if eps is not None else {}
        self._budgets: list[tuple[Any, float | Tensor]] = [(set_, _eps_of(set_)) for set_ in budgets.values()]
        self._final_weight = objective.weight
        self._apply()

    def step(self) -> None:
        """Count one step of training, and set the values of the next."""
        self._step += 1
        self._apply()

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint must hold: the step. The ramps and the final values are the program's."""
        return {"step": self._step}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from a checkpoint."""
        self._step = int(state["step"])
        self._apply()

    def _apply(self) -> None:
        if self._eps is not None:
            for budget, final in self._budgets:
                budget.eps = final * self._eps(self._step)
        if self._weight is not None:
            self._objective.weight = self._final_weight * self._weight(self._step)


def _eps_of(budget: Perturbation) -> float | Tensor:
    """Of all coordinates, or one for each feature."""
    eps = getattr(budget, "eps", None)
    if not isinstance(eps, float | Tensor):
        raise InputError(f"a schedule of eps needs budgets with an eps; found {budget}: leave eps out, or use LInf")
    return eps
