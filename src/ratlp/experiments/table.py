"""Table 1 of the paper, with statistics."""

from ratlp.data import Moons
from ratlp.experiments.results import METHODS, METRICS, Gain, Method, Metric, TableRow
from ratlp.experiments.setting import Setting
from ratlp.experiments.statistics import Summary
from ratlp.experiments.trials import Trials

PAPER: dict[tuple[Method, Metric], float] = {
    ("standard", "clean"): 89.6,
    ("standard", "input_fgsm"): 45.2,
    ("standard", "latent_fgsm"): 52.8,
    ("ratlp", "clean"): 97.0,
    ("ratlp", "input_fgsm"): 93.7,
    ("ratlp", "latent_fgsm"): 95.3,
}
"""The paper's Table 1, accuracy in %."""


def table1(trials: Trials, setting: Setting) -> tuple[TableRow, ...]:
    """Accuracy of both methods: clean, input FGSM 0.1, latent FGSM 0.1; beside the paper's on Two Moons.

    Example:
        >>> rows = table1(Trials(Moons(n=50), range(2)), Setting(epochs=1))
        >>> [row.paper for row in rows]
        [89.6, 45.2, 52.8, 97.0, 93.7, 95.3]
    """
    return tuple(_row(trials, setting, method, metric) for method in METHODS for metric in METRICS)


def gains(trials: Trials, setting: Setting) -> tuple[Gain, ...]:
    """The gain of RAT-LP over standard training in each metric, from the differences seed by seed.

    Example:
        >>> found = gains(Trials(Moons(n=50), range(2)), Setting(epochs=1))
        >>> [(gain.metric, gain.paper) for gain in found]
        [('clean', 7.4), ('input_fgsm', 48.5), ('latent_fgsm', 42.5)]
    """
    return tuple(_gain(trials, setting, metric) for metric in METRICS)


def _gain(trials: Trials, setting: Setting, metric: Metric) -> Gain:
    before, after = (trials.measurements(setting, method).accuracy[metric] for method in METHODS)
    summary = Summary.of([b - a for a, b in zip(before, after, strict=True)])
    published = round(PAPER["ratlp", metric] - PAPER["standard", metric], 1)
    return Gain(
        metric=metric,
        mean=summary.mean,
        std=summary.std,
        ci95=summary.ci95,
        paper=published if isinstance(trials.source, Moons) else None,
        n=summary.n,
    )


def _row(trials: Trials, setting: Setting, method: Method, metric: Metric) -> TableRow:
    summary = trials.measurements(setting, method).summary(metric)
    paper = PAPER[method, metric] if isinstance(trials.source, Moons) else None
    return TableRow(
        method=method,
        metric=metric,
        mean=summary.mean,
        std=summary.std,
        ci95=summary.ci95,
        paper=paper,
        verdict=None if paper is None else summary.verdict(paper),
        n_seeds=summary.n,
    )
