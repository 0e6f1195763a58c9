"""The cost of a training step of each method over a standard step, interleaved in one run."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from statistics import median
from typing import Any

import torch
from shared.quartiles import quartiles
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from robust_training.data import Data
from robust_training.folder import Folder
from robust_training.recipes import LR, Recipe
from robust_training.stages import Plan
from robust_training.training import BATCH, pgd_points

STEPS = 8
"""Of each method in each round."""

Step = Callable[[Tensor, Tensor], Any]


def kept_ratios(plan: Plan, recipes: Sequence[Recipe], folder: Folder, *, rounds: int) -> dict[str, dict[str, float]]:
    """As `time_ratios`, by `Recipe.timed_as`: those in the folder, where they are of as many rounds and lack none.

    All are of one run, side by side: where one is lacking all are timed again.
    """
    file = f"timing_{plan.net}.json"
    by_cost = {recipe.timed_as: recipe for recipe in recipes}
    kept = folder.read(file)
    if kept is None or kept["rounds"] != rounds or not by_cost.keys() <= kept["ratios"].keys():
        kept = {"rounds": rounds, "ratios": time_ratios(lambda: plan.build(0), by_cost, plan.data, rounds=rounds)}
        folder.write(file, kept)
    return kept["ratios"]  # type: ignore[no-any-return]


def time_ratios(
    make_net: Callable[[], nn.Module], methods: dict[str, Recipe], data: Data, *, rounds: int
) -> dict[str, dict[str, float]]:
    """By name, the median over the rounds of a step's time over the standard step's, and its quartiles.

    In each round every method takes its steps once, in turn; "standard" and PGD with seven steps as one would write
    it by hand ("pgd-7 by hand") are added.
    """
    steps: dict[str, Step] = {"standard": _by_hand(make_net(), 0), "pgd-7 by hand": _by_hand(make_net(), 7)}
    steps |= {name: _with(make_net(), recipe) for name, recipe in methods.items()}
    batches = _batches(data)
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds + 1):
        for name, step in steps.items():
            taken = _timed(step, batches)
            if number:  # the first round warms up
                seconds[name].append(taken)
    return {name: _ratio(times, seconds["standard"]) for name, times in seconds.items()}


def _ratio(times: list[float], standard: list[float]) -> dict[str, float]:
    ratios = [own / other for own, other in zip(times, standard, strict=True)]
    low, high = quartiles(ratios)
    return {"ratio": median(ratios), "low": low, "high": high}


def _timed(step: Step, batches: Iterator[tuple[Tensor, Tensor]]) -> float:
    started = time.perf_counter()
    for _ in range(STEPS):
        step(*next(batches))
    return time.perf_counter() - started


def _with(net: nn.Module, recipe: Recipe) -> Step:
    objective = recipe.make(net.train())
    optimiser = torch.optim.Adam(net.parameters(), lr=LR)

    def step(x: Tensor, y: Tensor) -> None:
        optimiser.zero_grad()
        objective(x, y).loss.backward()
        optimiser.step()

    return step


def _by_hand(net: nn.Module, attack_steps: int) -> Step:
    """A loop without the library."""
    net.train()
    optimiser = torch.optim.Adam(net.parameters(), lr=LR)

    def step(x: Tensor, y: Tensor) -> None:
        moved = pgd_points(net, x, y, cross_entropy, steps=attack_steps, step_size=0.25) if attack_steps else x
        optimiser.zero_grad()
        cross_entropy(net(moved), y).backward()
        optimiser.step()

    return step


def _batches(data: Data) -> Iterator[tuple[Tensor, Tensor]]:
    x, y = data.train
    full = [i for i in torch.arange(len(y)).split(BATCH) if len(i) == BATCH][:16]
    return cycle([(x[index], y[index]) for index in full])
