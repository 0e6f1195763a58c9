"""Search over what the paper leaves open, for the setting nearest to its six numbers."""

import itertools
import math
from collections.abc import Iterator, Sequence
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

Choices = dict[str, Any]


def search(seeds: Sequence[int], *, progress: Progress = silent) -> Search:
    """Train both methods at every combination of the free choices.

    Settings of one shape train in one stack; what does not change a shape (noise, standardisation,
    initialisation) varies inside it.
    """
    shapes = list(itertools.product(N, TEST_FRACTION, HIDDEN, LATENT_ACTIVATION))
    rows: list[SearchRow] = []
    with progress("search over what the paper leaves open", len(shapes)) as advance:
        for shape in shapes:
            rows += _shape_rows(*shape, seeds=seeds)
            advance()
    return _conclude(rows)


def _shape_rows(
    n: int,
    test_fraction: float,
    hidden: tuple[int, ...],
    latent_activation: str,
    *,
    seeds: Sequence[int],
) -> list[SearchRow]:
    setting = Setting(hidden=hidden, latent_activation=latent_activation)
    shape = {
        "n": n,
        "test_fraction": test_fraction,
        "hidden": list(hidden),
        "latent_activation": latent_activation,
    }
    inner = [
        {"noise": noise, "standardise": standardise, "initialisation": initialisation}
        for noise, standardise, initialisation in itertools.product(NOISE, STANDARDISE, INITIALISATION)
    ]
    choices = [{**shape, **free} for free in inner]
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


def _conclude(rows: list[SearchRow]) -> Search:
    def off(row: SearchRow, metric: Metric) -> float:
        return abs(row.numbers[f"standard_{metric}"] - PAPER["standard", metric])

    def standard_distance(row: SearchRow) -> float:
        return math.sqrt(fmean(off(row, metric) ** 2 for metric in METRICS))

    return Search(
        n_settings=len(rows),
        nearest=tuple(sorted(rows, key=lambda row: row.distance)[:5]),
        nearest_standard=tuple(sorted(rows, key=standard_distance)[:5]),
        standard_row_reached=any(
            off(row, "input_fgsm") <= REACHED and off(row, "latent_fgsm") <= REACHED for row in rows
        ),
        lowest_input=min(rows, key=lambda row: row.numbers["standard_input_fgsm"]),
        lowest_latent=min(rows, key=lambda row: row.numbers["standard_latent_fgsm"]),
    )
