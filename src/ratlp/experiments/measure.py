"""What is measured on trained nets: accuracy, clean and attacked, and the latent's scale."""

from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, Deltas, InnerProblem
from ratlp.bounds import linf_norm
from ratlp.experiments.results import METRICS, Metric
from ratlp.experiments.statistics import Summary
from ratlp.experiments.training import TrainedStack
from ratlp.perturbations import LInf

ATTACK_EPS = 0.1
"""Radius of both attacks of Table 1, in units of the input and of the latent (section 5.3)."""


@dataclass(frozen=True)
class Measurements:
    """One value per seed.

    Attributes:
        accuracy: In %, for each metric.
        latent_magnitude: Mean |z| over test points and coordinates.
        head_norm: L_g of the linear head under L-inf.
    """

    accuracy: dict[Metric, list[float]]
    latent_magnitude: list[float]
    head_norm: list[float]

    @classmethod
    def of(cls, trained: TrainedStack, *, bounds: tuple[float, float] | None) -> "Measurements":
        """Measure every net of a stack.

        Example:
            >>> from ratlp.data import Moons
            >>> from ratlp.experiments import Setting
            >>> from ratlp.experiments.training import Member, train_stacked
            >>> setting = Setting(epochs=1)
            >>> members = [Member.of(Moons(n=50), setting, seed) for seed in range(2)]
            >>> measured = Measurements.of(train_stacked(members, setting, "ratlp"), bounds=None)
            >>> len(measured.accuracy["latent_fgsm"]), len(measured.head_norm)
            (2, 2)
        """
        weight, _ = trained.head
        with torch.no_grad():
            magnitude = trained.net.encoder(trained.x_test).abs().mean(dim=(1, 2))
        return cls(
            accuracies(trained, eps=ATTACK_EPS, bounds=bounds),
            magnitude.tolist(),
            linf_norm(weight).tolist(),
        )

    def __add__(self, other: "Measurements") -> "Measurements":
        """The measurements of further seeds, appended."""
        return Measurements(
            {metric: self.accuracy[metric] + other.accuracy[metric] for metric in METRICS},
            self.latent_magnitude + other.latent_magnitude,
            self.head_norm + other.head_norm,
        )

    def summary(self, metric: Metric) -> Summary:
        """One accuracy over the seeds."""
        return Summary.of(self.accuracy[metric])


def accuracies(trained: TrainedStack, *, eps: float, bounds: tuple[float, float] | None) -> dict[Metric, list[float]]:
    """Accuracy in % of each net: clean, under input FGSM and under latent FGSM, both of radius `eps`.

    In float64: where a net is confident, 1 - p_y rounds to 0 in float32, the gradient loses its largest term,
    and the attack looks weaker than it is (on digits by 7 to 10 points).

    Args:
        trained: The nets and their test parts.
        eps: Radius of both attacks, in units of the input and in absolute units of the latent.
        bounds: The inputs' valid range, which the input attack keeps to.
    """
    x, y, net = trained.x_test.double(), trained.y_test, deepcopy(trained.net).double()
    with torch.no_grad():
        z = net.encoder(x)

    def attacked(function: nn.Module, point: Tensor, perturbation: LInf) -> Tensor:
        def loss_at(deltas: Deltas) -> Tensor:
            return cross_entropy(function(point + deltas[0]).flatten(0, 1), y.flatten())

        (delta,) = FGSM()(InnerProblem(loss_at, [point], [perturbation]))
        return point + delta

    moved_x = attacked(net, x, LInf(eps, bounds=bounds))
    moved_z = attacked(net.classifier, z, LInf(eps))
    with torch.no_grad():
        logits: dict[Metric, Tensor] = {
            "clean": net.classifier(z),
            "input_fgsm": net(moved_x),
            "latent_fgsm": net.classifier(moved_z),
        }
    return {metric: _percent_correct(out, y) for metric, out in logits.items()}


def _percent_correct(logits: Tensor, y: Tensor) -> list[float]:
    percent: list[float] = (logits.argmax(-1) == y).double().mean(dim=1).mul(100).tolist()
    return percent
