"""Train a setting over all seeds, once, and remember what came of it."""

import reprlib
from collections.abc import Sequence
from functools import reduce
from operator import add

from ratlp.data import Source
from ratlp.errors import InputError
from ratlp.experiments.measure import Measurements
from ratlp.experiments.progress import Progress, silent
from ratlp.experiments.results import Method
from ratlp.experiments.setting import Setting
from ratlp.experiments.training import Member, TrainedStack, train_stacked

AT_ONCE = 100
"""Nets in one stack: more gain no speed on two cores and cost memory."""


class Trials:
    """All trained nets of an experiment: one data source, one list of seeds, any setting and method.

    Args:
        source: The data.
        seeds: One net each.
        progress: Told of every training run.

    Raises:
        InputError: There is no seed, or one stands there twice.

    Example:
        >>> from ratlp.data import Moons
        >>> trials = Trials(Moons(n=50), range(3))
        >>> len(trials.measurements(Setting(epochs=1), "ratlp").accuracy["clean"])
        3
    """

    def __init__(self, source: Source, seeds: Sequence[int], *, progress: Progress = silent) -> None:
        self.source = source
        self.seeds = _checked(seeds)
        self.progress = progress
        self._stacks: dict[tuple[Setting, Method], list[TrainedStack]] = {}
        self._measurements: dict[tuple[Setting, Method], Measurements] = {}

    def stacks(self, setting: Setting, method: Method) -> list[TrainedStack]:
        """The trained nets, in stacks of at most `AT_ONCE` seeds; the same setting is trained once."""
        key = (setting, method)
        if key not in self._stacks:
            self._stacks[key] = self._train(setting, method)
        return self._stacks[key]

    def measurements(self, setting: Setting, method: Method) -> Measurements:
        """One value per seed of everything measured; the same setting is measured once."""
        key = (setting, method)
        if key not in self._measurements:
            stacks = self.stacks(setting, method)
            measured = (Measurements.of(stack, bounds=self.source.bounds) for stack in stacks)
            self._measurements[key] = reduce(add, measured)
        return self._measurements[key]

    def _train(self, setting: Setting, method: Method) -> list[TrainedStack]:
        groups = [self.seeds[i : i + AT_ONCE] for i in range(0, len(self.seeds), AT_ONCE)]
        name = "standard training" if method == "standard" else "RAT-LP"
        with self.progress(f"{name}, {len(self.seeds)} seeds", setting.epochs * len(groups)) as advance:
            return [
                train_stacked(
                    [Member.of(self.source, setting, seed) for seed in group],
                    setting,
                    method,
                    advance=advance,
                )
                for group in groups
            ]


def _checked(seeds: Sequence[int]) -> tuple[int, ...]:
    if not seeds or len(set(seeds)) < len(seeds):
        raise InputError(
            f"seeds must be one or more different integers; found {reprlib.repr(list(seeds))}: "
            "give each seed once, as in range(100)"
        )
    return tuple(seeds)
