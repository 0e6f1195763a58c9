"""Train a setting over all seeds, once, and remember what came of it."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from ratlp.data import Source
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
    """

    def __init__(self, source: Source, seeds: Sequence[int], *, progress: Progress = silent) -> None:
        self.source = source
        self.seeds = tuple(seeds)
        self.progress = progress
        self._stacks: dict[tuple[Setting, Method], list[TrainedStack]] = {}

    def stacks(self, setting: Setting, method: Method) -> list[TrainedStack]:
        """The trained nets, in stacks of at most `AT_ONCE` seeds; the same setting is trained once."""
        key = (setting, method)
        if key not in self._stacks:
            self._stacks[key] = self._train(setting, method)
        return self._stacks[key]

    def measurements(self, setting: Setting, method: Method) -> Measurements:
        """One value per seed of everything measured."""
        stacks = self.stacks(setting, method)
        return reduce(add, (Measurements.of(s, bounds=self.source.bounds) for s in stacks))

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
