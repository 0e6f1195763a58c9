"""Search over what the paper leaves open, for the setting nearest to its six numbers."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import fmean

from ratlp.data import Moons, Source
from ratlp.errors import InputError
from ratlp.experiments.measure import Measurements
from ratlp.experiments.progress import Progress, silent
from ratlp.experiments.results import METHODS, METRICS, Choices, Method, Metric, Search, SearchRow
from ratlp.experiments.setting import Setting
from ratlp.experiments.table import PAPER
from ratlp.experiments.training import Member, train_stacked

_REPORTED = 5  # settings of each ranking


@dataclass(frozen=True)
class SearchSpace:
    """What is tried for each choice that the paper leaves open, and how often.

    Attributes:
        n: Points, training and test together; likewise the other fields of `Choices`.
        seeds: Of the first round, over all settings.
        finalists: Settings of each ranking that go to the second round.
        final_seeds: Of the second round: the best of many settings at few seeds are partly lucky, so they run
            again.
        tolerance: A mean within this many points of the paper's number counts as reaching it.
    """

    n: tuple[int, ...] = (200, 500, 1000, 2000)
    noise: tuple[float, ...] = (0.05, 0.1, 0.2, 0.3)
    test_fraction: tuple[float, ...] = (0.2, 0.3)
    standardise: tuple[bool, ...] = (False, True)
    hidden: tuple[tuple[int, ...], ...] = ((), (16,), (32,), (64,))
    latent_activation: tuple[str, ...] = ("none", "relu", "tanh")
    initialisation: tuple[str, ...] = ("torch", "glorot", "he")
    seeds: int = 3
    finalists: int = 8
    final_seeds: int = 20
    tolerance: float = 2.0

    def stacks(self) -> list[list[Choices]]:
        """All combinations; in each list those whose nets and data have one shape, and so train together.

        Example:
            >>> [len(stack) for stack in SearchSpace(n=(200,), test_fraction=(0.2,), hidden=((),)).stacks()]
            [24, 24, 24]
        """
        shapes = itertools.product(self.n, self.test_fraction, self.hidden, self.latent_activation)
        rest = list(itertools.product(self.noise, self.standardise, self.initialisation))
        return [
            [
                Choices(
                    n=n,
                    noise=noise,
                    test_fraction=test_fraction,
                    standardise=standardise,
                    hidden=hidden,
                    latent_activation=latent_activation,
                    initialisation=initialisation,
                )
                for noise, standardise, initialisation in rest
            ]
            for n, test_fraction, hidden, latent_activation in shapes
        ]


def check_searchable(source: Source) -> None:
    """Refuse data other than Two Moons, for which the paper has no numbers to search for."""
    if source.kind != "moons":
        raise InputError(
            "the search compares with the paper's numbers, which are for Two Moons alone; "
            f"found the data {source.name!r}: leave the search out, or use the data 'moons'"
        )


def search(space: SearchSpace | None = None, *, progress: Progress = silent) -> Search:
    """Train both methods at every combination of the free choices, then the best ones at more seeds.

    Args:
        space: What is tried; by default, everything that a reader of the paper may take it to mean.
        progress: Told of both rounds.

    Example:
        >>> one = SearchSpace(
        ...     n=(50,), noise=(0.2,), test_fraction=(0.2,), standardise=(False,), hidden=((),),
        ...     latent_activation=("none",), initialisation=("torch",), seeds=1, final_seeds=1,
        ... )
        >>> search(one).n_settings
        1
    """
    space = space or SearchSpace()
    stacks = space.stacks()
    rows: list[SearchRow] = []
    with progress("search over what the paper leaves open", len(stacks)) as advance:
        for choices in stacks:
            rows += _measure(choices, range(space.seeds))
            advance()
    finalists = _finalists(rows, space.finalists)
    final: list[SearchRow] = []
    with progress("search: the nearest settings again", len(finalists)) as advance:
        for row in finalists:
            final += _measure([row.choices], range(space.final_seeds))
            advance()
    return _conclude(space, len(rows), final)


def _measure(choices: list[Choices], seeds: Sequence[int]) -> list[SearchRow]:
    """Train settings of one shape together, all seeds of each."""
    setting = Setting(hidden=choices[0].hidden, latent_activation=choices[0].latent_activation)
    accuracy: dict[tuple[Method, Metric], list[float]] = {}
    for method in METHODS:
        members = list(_members(choices, setting, seeds))
        measured = Measurements.of(train_stacked(members, setting, method), bounds=None)
        for metric in METRICS:
            accuracy[method, metric] = measured.accuracy[metric]
    return [
        _row(
            choice,
            {key: fmean(values[i * len(seeds) : (i + 1) * len(seeds)]) for key, values in accuracy.items()},
            len(seeds),
        )
        for i, choice in enumerate(choices)
    ]


def _members(choices: list[Choices], setting: Setting, seeds: Sequence[int]) -> Iterator[Member]:
    for choice in choices:
        source = Moons(
            n=choice.n,
            noise=choice.noise,
            test_fraction=choice.test_fraction,
            standardise=choice.standardise,
        )
        own = replace(setting, initialisation=choice.initialisation)
        for seed in seeds:
            yield Member.of(source, own, seed)


def _row(choices: Choices, numbers: dict[tuple[Method, Metric], float], n_seeds: int) -> SearchRow:
    return SearchRow(
        choices=choices,
        numbers={f"{method}_{metric}": value for (method, metric), value in numbers.items()},
        distance=math.sqrt(fmean((value - PAPER[key]) ** 2 for key, value in numbers.items())),
        n_seeds=n_seeds,
    )


def _off(row: SearchRow, metric: Metric) -> float:
    return abs(row.numbers[f"standard_{metric}"] - PAPER["standard", metric])


def _attacked_off(row: SearchRow) -> float:
    return max(_off(row, "input_fgsm"), _off(row, "latent_fgsm"))


RANKINGS: dict[str, Callable[[SearchRow], float]] = {
    "nearest": lambda row: row.distance,
    "nearest_standard": lambda row: math.sqrt(fmean(_off(row, metric) ** 2 for metric in METRICS)),
    "nearest_attacked": _attacked_off,
    "lowest_input": lambda row: row.numbers["standard_input_fgsm"],
    "lowest_latent": lambda row: row.numbers["standard_latent_fgsm"],
}


def _finalists(rows: list[SearchRow], count: int) -> list[SearchRow]:
    best = [row for ranking in RANKINGS.values() for row in sorted(rows, key=ranking)[:count]]
    return list({id(row): row for row in best}.values())


def _conclude(space: SearchSpace, n_settings: int, rows: list[SearchRow]) -> Search:
    ranked = {name: tuple(sorted(rows, key=ranking)) for name, ranking in RANKINGS.items()}
    return Search(
        space=asdict(space),
        n_settings=n_settings,
        nearest=ranked["nearest"][:_REPORTED],
        nearest_standard=ranked["nearest_standard"][:_REPORTED],
        nearest_attacked=ranked["nearest_attacked"][:_REPORTED],
        standard_row_reached=_attacked_off(ranked["nearest_attacked"][0]) <= space.tolerance,
        lowest_input=ranked["lowest_input"][0],
        lowest_latent=ranked["lowest_latent"][0],
    )
