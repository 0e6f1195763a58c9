"""Search over what the paper leaves open, for the setting nearest to its six numbers."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

from ratlp.data import Moons
from ratlp.experiments.measure import Measurements
from ratlp.experiments.progress import Progress, silent
from ratlp.experiments.results import METHODS, METRICS, Method, Metric, Search, SearchRow
from ratlp.experiments.setting import Setting
from ratlp.experiments.table import PAPER
from ratlp.experiments.training import Member, train_stacked

NOISE = (0.05, 0.1, 0.2, 0.3)
N = (200, 500, 1000, 2000)
TEST_FRACTION = (0.2, 0.3)
HIDDEN: tuple[tuple[int, ...], ...] = ((), (16,), (32,), (64,))
LATENT_ACTIVATION = ("none", "relu", "tanh")
STANDARDISE = (False, True)
INITIALISATION = ("torch", "glorot", "he")
REACHED = 2.0
"""A mean within this many points of the paper's number counts as reaching it."""
SEEDS = range(3)
"""Of the first round, over all settings."""
FINAL_SEEDS = range(20)
"""Of the second round: the best of many settings at few seeds are partly lucky, so they run again."""
FINALISTS = 8
"""Settings of each ranking that go to the second round."""

Choices = dict[str, Any]


def search(*, progress: Progress = silent) -> Search:
    """Train both methods at every combination of the free choices, then the best ones at more seeds.

    Settings of one shape train in one stack; what does not change a shape (noise, standardisation,
    initialisation) varies inside it.
    """
    shapes = list(itertools.product(N, TEST_FRACTION, HIDDEN, LATENT_ACTIVATION))
    free = list(itertools.product(NOISE, STANDARDISE, INITIALISATION))
    rows: list[SearchRow] = []
    with progress("search over what the paper leaves open", len(shapes)) as advance:
        for shape in shapes:
            rows += _measure([_choices(*shape, *rest) for rest in free], SEEDS)
            advance()
    finalists = _finalists(rows)
    final: list[SearchRow] = []
    with progress("search: the nearest settings again", len(finalists)) as advance:
        for row in finalists:
            final += _measure([row.choices], FINAL_SEEDS)
            advance()
    return _conclude(len(rows), final)


def _choices(
    n: int,
    test_fraction: float,
    hidden: tuple[int, ...],
    latent_activation: str,
    *rest: Any,
) -> Choices:
    noise, standardise, initialisation = rest
    return {
        "n": n,
        "test_fraction": test_fraction,
        "hidden": list(hidden),
        "latent_activation": latent_activation,
        "noise": noise,
        "standardise": standardise,
        "initialisation": initialisation,
    }


def _measure(choices: list[Choices], seeds: Sequence[int]) -> list[SearchRow]:
    """Train settings of one shape together, all seeds of each."""
    shape = choices[0]
    setting = Setting(hidden=tuple(shape["hidden"]), latent_activation=shape["latent_activation"])
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
            n=choice["n"],
            noise=choice["noise"],
            test_fraction=choice["test_fraction"],
            standardise=choice["standardise"],
        )
        own = replace(setting, initialisation=choice["initialisation"])
        for seed in seeds:
            yield Member.of(source, own, seed)


def _row(choices: Choices, numbers: dict[tuple[Method, Metric], float], n_seeds: int) -> SearchRow:
    return SearchRow(
        choices=choices,
        numbers={f"{method}_{metric}": value for (method, metric), value in numbers.items()},
        distance=_distance(numbers),
        n_seeds=n_seeds,
    )


def _distance(numbers: dict[tuple[Method, Metric], float]) -> float:
    return math.sqrt(fmean((value - PAPER[key]) ** 2 for key, value in numbers.items()))


def _off(row: SearchRow, metric: Metric) -> float:
    return abs(row.numbers[f"standard_{metric}"] - PAPER["standard", metric])


RANKINGS: dict[str, Callable[[SearchRow], float]] = {
    "nearest": lambda row: row.distance,
    "nearest_standard": lambda row: math.sqrt(fmean(_off(row, metric) ** 2 for metric in METRICS)),
    "lowest_input": lambda row: row.numbers["standard_input_fgsm"],
    "lowest_latent": lambda row: row.numbers["standard_latent_fgsm"],
}


def _finalists(rows: list[SearchRow]) -> list[SearchRow]:
    best = [row for ranking in RANKINGS.values() for row in sorted(rows, key=ranking)[:FINALISTS]]
    return list({id(row): row for row in best}.values())


def _conclude(n_settings: int, rows: list[SearchRow]) -> Search:
    ranked = {name: sorted(rows, key=ranking) for name, ranking in RANKINGS.items()}
    return Search(
        n_settings=n_settings,
        nearest=tuple(ranked["nearest"][:5]),
        nearest_standard=tuple(ranked["nearest_standard"][:5]),
        standard_row_reached=any(
            _off(row, "input_fgsm") <= REACHED and _off(row, "latent_fgsm") <= REACHED for row in rows
        ),
        lowest_input=ranked["lowest_input"][0],
        lowest_latent=ranked["lowest_latent"][0],
    )
