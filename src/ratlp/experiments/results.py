"""What the experiments find, as frozen values that know how to become JSON.

`docs/reproduce.md` documents the keys.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from ratlp.experiments.statistics import Summary, Verdict

Method = Literal["standard", "ratlp"]
Metric = Literal["clean", "input_fgsm", "latent_fgsm"]

SCHEMA = "ratlp.reproduce/1"
"""Names the layout of `results.json`."""

METHODS: tuple[Method, ...] = ("standard", "ratlp")
METRICS: tuple[Metric, ...] = ("clean", "input_fgsm", "latent_fgsm")


@dataclass(frozen=True)
class TableRow:
    """One cell of Table 1: accuracy in %, over the seeds.

    Attributes:
        paper: The paper's number, None where the paper has none (other data).
        verdict: Where it lies against the 95 % interval of a new seed; None without it, or from one seed.
    """

    method: Method
    metric: Metric
    mean: float
    std: float
    ci95: tuple[float, float]
    paper: float | None
    verdict: Verdict | None
    n_seeds: int


@dataclass(frozen=True)
class Gain:
    """What RAT-LP adds to standard training in one metric: accuracy in points, over the seeds.

    Both methods share each seed's data, split, initial weights and batch order, so the statistics are those
    of the differences seed by seed.

    Attributes:
        paper: The paper's gain, None where the paper has none (other data).

    Example:
        >>> Gain("latent_fgsm", mean=1.0, std=0.9, ci95=(0.8, 1.2), paper=42.5, n=100).metric
        'latent_fgsm'
    """

    metric: Metric
    mean: float
    std: float
    ci95: tuple[float, float]
    paper: float | None
    n: int


@dataclass(frozen=True)
class AblationRow:
    """One trained setting of an ablation.

    Attributes:
        parameter: What is varied: "eps_z", "m" or "lambda".
        value: Its value.
        clean: Accuracy in %, over the seeds; likewise `input_fgsm` and `latent_fgsm`, both at eps = 0.1.
        latent_magnitude: Mean |z| over test points and coordinates.
        head_norm: L_g, the largest row L1 norm of the head: what a latent step of 1 can move a logit by.
    """

    method: Method
    parameter: Literal["eps_z", "m", "lambda"]
    value: float
    clean: Summary
    input_fgsm: Summary
    latent_fgsm: Summary
    latent_magnitude: Summary
    head_norm: Summary


@dataclass(frozen=True)
class BoundCheck:
    """One claimed upper bound of the loss increase, held against the exact inner maximum.

    Attributes:
        name: "paper", "paper_normalised", "right_constants" or "pairwise".
        statement: The bound as a formula.
        violations: Points whose exact increase exceeds the bound (beyond float64 rounding).
        mean_tightness: Mean of increase / bound; 1 is tight, as is no increase against a bound of 0.
        max_tightness: The largest increase / bound; above 1 is a violation.
    """

    name: str
    statement: str
    violations: int
    mean_tightness: float
    max_tightness: float


@dataclass(frozen=True)
class TheoremCheck:
    """The theorem on the nets of one method.

    Attributes:
        n_points: Test points, over all nets.
        lipschitz: L_g of the heads under L-inf, over the seeds.
        exact_increase: The exact rise of the loss, mean over the test points, over the seeds.
        sign_step_increase: The sign step's rise of the loss, likewise.
        sign_step_exact: Share of the points where the sign step reaches the exact maximum.
    """

    method: Method
    n_points: int
    lipschitz: Summary
    exact_increase: Summary
    sign_step_increase: Summary
    sign_step_exact: float
    bounds: tuple[BoundCheck, ...]


@dataclass(frozen=True)
class Theorem:
    """Section 4, checked on trained nets.

    Attributes:
        eps: The latent budget.
        n_points: Points checked, over methods and nets.
        violations: Of the bound with the right constants; a single one would be a bug.
        paper_violations: Of the paper's bound, loss + eps.
    """

    eps: float
    n_points: int
    violations: int
    paper_violations: int
    methods: tuple[TheoremCheck, ...]


@dataclass(frozen=True)
class Choices:
    """One reading of what the paper leaves open; the fields are those of `Moons` and `Setting`."""

    n: int
    noise: float
    test_fraction: float
    standardise: bool
    hidden: tuple[int, ...]
    latent_activation: str
    initialisation: str


@dataclass(frozen=True)
class SearchRow:
    """One setting of the search: its free choices, its six numbers, its distance to the paper's."""

    choices: Choices
    numbers: dict[str, float]
    distance: float
    n_seeds: int


@dataclass(frozen=True)
class Search:
    """The search over what the paper leaves open.

    Attributes:
        space: What was tried, the seeds of both rounds and the tolerance: the fields of `SearchSpace`.
        n_settings: Settings tried; the best ones of each ranking are measured again at more seeds.
        nearest: The settings nearest to the paper's six numbers (root mean square distance in points).
        nearest_standard: Likewise for the standard row's three numbers alone.
        nearest_attacked: Likewise for its two attacked numbers (by the larger of the two distances).
        standard_row_reached: Whether the nearest of these comes within the tolerance of both.
        lowest_input, lowest_latent: The lowest attacked accuracies of standard training at any setting, in %.
    """

    space: Mapping[str, Any]
    n_settings: int
    nearest: tuple[SearchRow, ...]
    nearest_standard: tuple[SearchRow, ...]
    nearest_attacked: tuple[SearchRow, ...]
    standard_row_reached: bool
    lowest_input: SearchRow
    lowest_latent: SearchRow


@dataclass(frozen=True)
class Boundary:
    """One trained net over the plane, for Figure 1. Not part of the JSON.

    Attributes:
        x, y: The grid's coordinates, `[columns]` and `[rows]`.
        probability: P(class 1), `[rows, columns]`.
        points, labels: The test set, `[n, 2]` and `[n]`.
        correct: Which of its points the net gets right, `[n]`.
        eps: The input margin to draw.
    """

    method: Method
    x: np.ndarray
    y: np.ndarray
    probability: np.ndarray
    points: np.ndarray
    labels: np.ndarray
    correct: np.ndarray
    eps: float

    @property
    def accuracy(self) -> float:
        """Clean accuracy of this net on the test set, in %."""
        return 100 * float(self.correct.mean())


@dataclass(frozen=True)
class Reproduction:
    """All that `ratlp reproduce` finds.

    Attributes:
        data: Kind, name, sizes, units, bounds and split rule of the data.
        setting: The training setting, by name.
        attack_eps: Radius of both attacks, in units of the input and of the latent.
        seeds: The seeds that ran, one net of each method for each.
        versions: Of Python, ratlp, torch, numpy, scipy and scikit-learn.
        timings: Seconds per part: the only part of the JSON that differs between runs.
        command: The command line that runs it again; None where no command ran it.
    """

    data: Mapping[str, Any]
    setting: Mapping[str, Any]
    attack_eps: float
    seeds: tuple[int, ...]
    versions: Mapping[str, str]
    table1: tuple[TableRow, ...]
    gains: tuple[Gain, ...]
    theorem: Theorem
    ablation: tuple[AblationRow, ...]
    search: Search | None
    boundaries: tuple[Boundary, ...]
    timings: Mapping[str, float]
    command: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The content of `results.json`: plain lists, dicts, numbers and strings."""
        return {
            "schema": SCHEMA,
            "command": self.command,
            "data": dict(self.data),
            "setting": dict(self.setting),
            "attack_eps": self.attack_eps,
            "seeds": list(self.seeds),
            "versions": dict(self.versions),
            "table1": [asdict(row) for row in self.table1],
            "gains": [asdict(gain) for gain in self.gains],
            "theorem": asdict(self.theorem),
            "ablation": [asdict(row) for row in self.ablation],
            "search": None if self.search is None else asdict(self.search),
            "timings": dict(self.timings),
        }
