"""How long attacks take, interleaved in one run."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

import torch
from shared.quartiles import quartiles
from torch import nn

from attack_cost.attackers import LETTING_GO, ON_ALL, Run, Settings
from attack_cost.nets import Target
from attack_cost.running import drawn_from, installed

BATCH = 256
MODES = {"all samples": ON_ALL, "letting go": LETTING_GO}


@dataclass(frozen=True)
class Timing:
    """One way to run an attack, beside ratlp's in the same rounds.

    Attributes:
        what: The net that is attacked, and where.
        mode: Whether all steps are taken on all samples.
        by: Who runs it.
        milliseconds: Median over the rounds; None where the package is not installed.
        ratio: Of ratlp's time over this one's, median over the rounds: below 1 where ratlp is faster.
        quartiles: Of the ratio.
        rounds: How many.
    """

    what: str
    mode: str
    by: str
    milliseconds: float | None
    ratio: float | None
    quartiles: tuple[float, float] | None
    rounds: int


Clock = Callable[[], float]
Key = TypeVar("Key")


def pgd_times(target: Target, settings: Settings, *, rounds: int, at_most: float, clock: Clock) -> list[Timing]:
    """PGD by every package, on one batch of samples that the net classifies rightly."""
    with torch.no_grad():
        right = target.net(target.x).argmax(1) == target.y
    x, y = target.x[right][:BATCH], target.y[right][:BATCH]
    runs = {
        (mode, by): run for mode, makers in MODES.items() for by, run in installed(makers, target.net, settings).items()
    }
    calls = {key: _call(run, x, y) for key, run in runs.items() if run is not None}
    seconds = interleaved(calls, target.net, rounds=rounds, at_most=at_most, clock=clock)
    what = f"{target.name}, {target.data}"
    return [timing((what, *key), seconds.get(key), seconds[key[0], "ratlp"]) for key in runs]


def _call(run: Run, x: torch.Tensor, y: torch.Tensor) -> Callable[[], object]:
    return lambda: run(x, y)


def interleaved(
    calls: Mapping[Key, Callable[[], object]], net: nn.Module, *, rounds: int, at_most: float, clock: Clock
) -> dict[Key, list[float]]:
    """Seconds of each call, by round; every round begins with another, and the first warms up.

    At most so many seconds in all, but three rounds.
    """
    seconds: dict[Key, list[float]] = {key: [] for key in calls}
    keys, began = list(calls), time.perf_counter()
    for number in range(rounds + 1):
        first = number % len(keys)
        for key in keys[first:] + keys[:first]:
            with drawn_from(number, net):
                started = clock()
                calls[key]()
                taken = clock() - started
            if number:
                seconds[key].append(taken)
        if number >= min(3, rounds) and time.perf_counter() - began > at_most:
            break
    return seconds


def timing(key: tuple[str, str, str], own: list[float] | None, ours: list[float]) -> Timing:
    """From seconds by round to a row; `own` is None where the package is not installed."""
    if own is None:
        return Timing(*key, None, None, None, 0)
    ratios = [first / second for first, second in zip(ours, own, strict=True)]
    return Timing(*key, 1e3 * median(own), median(ratios), quartiles(ratios), len(ratios))
