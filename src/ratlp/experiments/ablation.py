"""The paper's ablation (section 5.5), and lambda, with the latent's scale and the head's norm beside it."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from ratlp.experiments.results import METHODS, AblationRow, Method
from ratlp.experiments.setting import Setting
from ratlp.experiments.statistics import Summary
from ratlp.experiments.trials import Trials

EPS_Z = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)
M = (2, 4, 8, 16, 32)
LAMBDA = (0.1, 0.3, 1.0, 3.0, 10.0)

Parameter = Literal["eps_z", "m", "lambda"]


def ablation(trials: Trials, setting: Setting) -> tuple[AblationRow, ...]:
    """Vary eps_z, m and lambda one at a time; the attacks stay at 0.1.

    The latent's magnitude and the head's norm show whether an encoder escapes a fixed budget by growing its
    latents. m is varied for both methods; the others do not exist in standard training.

    Example:
        >>> from ratlp.data import Moons
        >>> rows = ablation(Trials(Moons(n=50), range(2)), Setting(epochs=1))
        >>> [row.value for row in rows if row.parameter == "lambda"]
        [0.1, 0.3, 1.0, 3.0, 10.0]
    """
    return tuple(
        _row(trials, varied, method, parameter, value) for parameter, value, varied, method in _variations(setting)
    )


def _variations(setting: Setting) -> Iterator[tuple[Parameter, float, Setting, Method]]:
    for eps in EPS_Z:
        yield "eps_z", eps, replace(setting, eps=eps), "ratlp"
    for method in METHODS:
        for m in M:
            yield "m", m, replace(setting, latent=m), method
    for weight in LAMBDA:
        yield "lambda", weight, replace(setting, weight=weight), "ratlp"


def _row(trials: Trials, setting: Setting, method: Method, parameter: Parameter, value: float) -> AblationRow:
    measured = trials.measurements(setting, method)
    return AblationRow(
        method=method,
        parameter=parameter,
        value=value,
        clean=measured.summary("clean"),
        input_fgsm=measured.summary("input_fgsm"),
        latent_fgsm=measured.summary("latent_fgsm"),
        latent_magnitude=Summary.of(measured.latent_magnitude),
        head_norm=Summary.of(measured.head_norm),
    )
