"""Synthetic results with realistic numbers: the report sees nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from ratlp.experiments.results import (
    AblationRow,
    Boundary,
    BoundCheck,
    Choices,
    Gain,
    Reproduction,
    Search,
    SearchRow,
    TableRow,
    Theorem,
    TheoremCheck,
)
from ratlp.experiments.statistics import Summary

CELLS = [
    ("standard", "clean", 96.4, 1.3, 89.6),
    ("standard", "input_fgsm", 89.1, 2.3, 45.2),
    ("standard", "latent_fgsm", 94.6, 1.7, 52.8),
    ("ratlp", "clean", 96.5, 1.3, 97.0),
    ("ratlp", "input_fgsm", 89.2, 2.4, 93.7),
    ("ratlp", "latent_fgsm", 95.5, 1.5, 95.3),
]


def summary(mean: float, std: float, n: int = 100) -> Summary:
    half = 1.984 * std / np.sqrt(n)
    return Summary(mean, std, (mean - half, mean + half), n)


def table_row(method, metric, mean, std, paper, n=100) -> TableRow:
    cell = summary(mean, std, n)
    verdict = None if paper is None else cell.verdict(paper)
    return TableRow(method, metric, mean, std, cell.ci95, paper, verdict, n)


def make_gains() -> tuple[Gain, ...]:
    cells = [("clean", 0.03, 0.5, 7.4), ("input_fgsm", 0.38, 0.86, 48.5), ("latent_fgsm", 0.99, 0.86, 42.5)]
    summaries = [(metric, summary(mean, std), paper) for metric, mean, std, paper in cells]
    return tuple(Gain(metric, s.mean, s.std, s.ci95, paper, s.n) for metric, s, paper in summaries)


def make_boundary(method: str, sharpness: float, columns: int = 81) -> Boundary:
    generator = np.random.default_rng(0)
    angle = generator.uniform(0, np.pi, 200)
    labels = np.arange(200) % 2
    points = np.stack(
        [
            np.where(labels == 0, np.cos(angle), 1 - np.cos(angle)),
            np.where(labels == 0, np.sin(angle), 0.5 - np.sin(angle)),
        ],
        axis=1,
    ) + generator.normal(0, 0.2, (200, 2))
    x = np.linspace(-1.7, 2.7, columns)
    y = np.linspace(-1.3, 1.8, columns * 3 // 4)

    arc = np.linspace(0, np.pi, 60)

    def probability(at_x, at_y):
        upper = np.hypot(at_x[..., None] - np.cos(arc), at_y[..., None] - np.sin(arc)).min(-1)
        lower = np.hypot(at_x[..., None] - 1 + np.cos(arc), at_y[..., None] - 0.5 + np.sin(arc)).min(-1)
        return 1 / (1 + np.exp(-sharpness * (upper - lower)))

    right = (probability(points[:, 0], points[:, 1]) > 0.5) == (labels == 1)
    plane = probability(*np.meshgrid(x, y))
    return Boundary(method, x, y, plane, points, labels, right, 0.1)


def ablation_row(method, parameter, value, growth) -> AblationRow:
    return AblationRow(
        method=method,
        parameter=parameter,
        value=value,
        clean=summary(96.5 - 0.3 * growth, 1.3, 20),
        input_fgsm=summary(89.1 + 0.4 * growth, 2.3, 20),
        latent_fgsm=summary(94.5 + 0.5 * growth, 1.6, 20),
        latent_magnitude=summary(1.1 * 2.2**growth, 0.2 * 2.2**growth, 20),
        head_norm=summary(9.5 / 1.5**growth, 1.2 / 1.5**growth, 20),
    )


def make_ablation() -> tuple[AblationRow, ...]:
    budgets = [0.0, 0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0]
    rows = [ablation_row("ratlp", "eps_z", value, 3 * value**0.5) for value in budgets]
    for place, value in enumerate([2, 4, 8, 16, 32]):
        rows.append(ablation_row("standard", "m", value, 0.1 * place))
        rows.append(ablation_row("ratlp", "m", value, 0.8 + 0.2 * place))
    weights = [0.1, 0.3, 1.0, 3.0, 10.0]
    rows += [ablation_row("ratlp", "lambda", value, 0.5 + value**0.3) for value in weights]
    return tuple(rows)


def make_theorem() -> Theorem:
    def check(method, head, paper, scale) -> TheoremCheck:
        return TheoremCheck(
            method=method,
            n_points=20_000,
            lipschitz=summary(head, 1.1),
            exact_increase=summary(0.084 * scale, 0.01),
            sign_step_increase=summary(0.0835 * scale, 0.01),
            sign_step_exact=0.973,
            bounds=(
                BoundCheck("paper", "increase <= eps", paper, 0.84 * scale, 14.1 * scale),
                BoundCheck(
                    "paper_normalised",
                    "increase <= eps, after rescaling the latent so that L_g = 1",
                    312,
                    0.09,
                    1.71,
                ),
                BoundCheck("right_constants", "increase <= 2 * L_g * eps", 0, 0.045, 0.86),
                BoundCheck("pairwise", "increase <= eps * max_j ||w_y - w_j||_1", 0, 0.047, 0.9993),
            ),
        )

    checks = (check("standard", 9.31, 4_313, 1.0), check("ratlp", 6.02, 3_107, 0.6))
    return Theorem(0.1, 40_000, 0, 7_420, checks)


def make_search() -> Search:
    def row(noise, distance, attacked) -> SearchRow:
        numbers = {f"{method}_{metric}": mean for method, metric, mean, *_ in CELLS}
        numbers |= {"standard_input_fgsm": attacked, "standard_latent_fgsm": attacked + 20}
        choices = Choices(
            n=500,
            noise=noise,
            test_fraction=0.2,
            standardise=False,
            hidden=(32,),
            latent_activation="a|b",
            initialisation="torch",
        )
        return SearchRow(choices, numbers, distance, 10)

    return Search(
        space={"noise": (0.05, 0.3), "n": (200, 2000), "seeds": 3, "final_seeds": 20, "tolerance": 2.0},
        n_settings=576,
        nearest=(row(0.3, 13.4, 71.5), row(0.25, 14.0, 75.0)),
        nearest_standard=(row(0.4, 17.7, 66.1),),
        nearest_attacked=(row(0.3, 14.0, 60.0),),
        standard_row_reached=False,
        lowest_input=row(0.5, 21.0, 61.2),
        lowest_latent=row(0.5, 22.0, 63.0),
    )


def make_reproduction() -> Reproduction:
    return Reproduction(
        data={
            "kind": "moons",
            "name": "moons",
            "n_train": 800,
            "n_test": 200,
            "features": [2],
            "classes": 2,
            "bounds": None,
            "units": "the radius of a half circle",
            "split_rule": "points and a random split, 20% test, drawn anew for each seed",
        },
        setting={
            "hidden": (32,),
            "latent": 8,
            "latent_activation": "none",
            "initialisation": "torch",
            "eps": 0.1,
            "weight": 1.0,
            "epochs": 50,
            "batch_size": 64,
            "lr": 0.01,
        },
        attack_eps=0.1,
        seeds=tuple(range(100)),
        versions={"python": "3.11.2", "ratlp": "0.1.0", "torch": "2.13.0", "numpy": "2.3.1"},
        table1=tuple(table_row(*cell) for cell in CELLS),
        gains=make_gains(),
        theorem=make_theorem(),
        ablation=make_ablation(),
        search=make_search(),
        boundaries=(make_boundary("standard", 9.0), make_boundary("ratlp", 4.0)),
        timings={"table1": 31.2},
        command="ratlp reproduce --data moons --seeds 100",
    )


@pytest.fixture(scope="session")
def reproduction() -> Reproduction:
    """All sections filled."""
    return make_reproduction()


@pytest.fixture(scope="session")
def bare(reproduction) -> Reproduction:
    """Other data: no paper's numbers, no ablation, no search, no boundaries."""
    rows = tuple(replace(row, paper=None, verdict=None) for row in reproduction.table1)
    return replace(
        reproduction,
        data={"kind": "file", "name": "<script>alert(1)</script> & co"},
        table1=rows,
        gains=tuple(replace(gain, paper=None) for gain in reproduction.gains),
        ablation=(),
        search=None,
        boundaries=(),
        command=None,
    )
