"""Robust accuracy as a function of eps."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Unpack

from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.evaluation.accuracy import evaluate
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.session import Options
from ratlp.proportions import Accuracy


@dataclass(frozen=True)
class CurvePoint:
    """Robust accuracy at one eps.

    Attributes:
        eps: As the attack's set takes it.
        eps_absolute: In units of the point: the mean over the samples where eps is relative.
        eps_relative: At a layer, as a multiple of the latent's own scale; None in input space.
        robust: The samples that no attack on the curve broke at this eps or a smaller one: a perturbation that
            breaks a sample does so in every larger set, so that the curve never rises.
        raw: The samples that the attack at this eps alone did not break. Where this rises, the attack is at fault.
    """

    eps: float
    eps_absolute: float | None
    eps_relative: float | None
    robust: Accuracy
    raw: Accuracy

    def to_dict(self) -> dict[str, Any]:
        """One entry of a curve's `points`: plain numbers."""
        return {
            "eps": self.eps,
            "eps_absolute": self.eps_absolute,
            "eps_relative": self.eps_relative,
            "robust_accuracy": self.robust.share,
            "ci95": list(self.robust.ci95),
            "raw_accuracy": self.raw.share,
            "robust": self.robust.correct,
            "raw": self.raw.correct,
            "n": self.robust.n,
        }

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "CurvePoint":
        """The inverse of `to_dict`."""
        n = entry["n"]
        units = (entry["eps"], entry["eps_absolute"], entry["eps_relative"])
        return cls(*units, Accuracy(entry["robust"], n), Accuracy(entry["raw"], n))


@dataclass(frozen=True)
class Curve:
    """Robust accuracy over eps, for one attack.

    Attributes:
        name: The attack's.
        space: "input" or "latent".
        layer: "input", or the layer's name.
        norm: "linf" or "l2".
        relative_to: The scale that eps is a multiple of; None where it is absolute.
        unit: At a layer, what a relative eps of 1 is in absolute units, as in `AttackResult`.
        points: From eps = 0, which is clean accuracy, upwards.
    """

    name: str
    space: str
    layer: str
    norm: str
    relative_to: str | None
    unit: float | None
    points: tuple[CurvePoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and strings."""
        return {**asdict(self), "points": [point.to_dict() for point in self.points]}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Curve":
        """The inverse of `to_dict`."""
        return cls(**{**entry, "points": tuple(map(CurvePoint.from_dict, entry["points"]))})


def robustness_curve(
    model: nn.Module, x: Any, y: Tensor, attack: Attack, eps: Sequence[float], **options: Unpack[Options]
) -> Curve:
    """Run one attack at several radii.

    At each of them it attacks every sample classified rightly, so that the raw figures are its own.

    Args:
        model: As in `evaluate`; likewise `x` and `y`.
        x: Inputs.
        y: Labels.
        attack: Its own eps is not used.
        eps: The radii, finite, > 0, each once; in any order.
        **options: As of `Options`.

    Raises:
        InputError: The radii are not so, or as in `evaluate`.

    Example:
        >>> import torch
        >>> from ratlp.attacks import PGD
        >>> from ratlp.perturbations import LInf
        >>> net, x = nn.Linear(2, 2), torch.rand(20, 2)
        >>> attack = Attack("pgd", PGD(steps=5), LInf(0.1, bounds=(0, 1)))
        >>> curve = robustness_curve(net, x, net(x).argmax(1), attack, [0.1, 0.5])
        >>> [point.eps for point in curve.points], curve.points[0].robust.share
        ([0.0, 0.1, 0.5], 1.0)
    """
    if not eps or not all(math.isfinite(radius) and radius > 0 for radius in eps) or len(set(eps)) < len(eps):
        raise InputError(f"a curve needs radii that are finite and > 0, each once; found {list(eps)}")
    evaluation = evaluate(model, x, y, [attack.at(radius) for radius in sorted(eps)], **options)
    points = [CurvePoint(0.0, 0.0, None if attack.space == "input" else 0.0, evaluation.clean, evaluation.clean)]
    broken = set[int]()
    for radius, found in zip(sorted(eps), evaluation.attacks, strict=True):
        broken |= set(evaluation.samples.broken[found.name])
        robust = Accuracy(evaluation.clean.correct - len(broken), evaluation.clean.n)
        points.append(CurvePoint(radius, found.eps_absolute, found.eps_relative, robust, found.robust))
    unit = evaluation.attacks[0].unit
    return Curve(attack.name, attack.space, attack.layer, attack.norm, attack.relative_to, unit, tuple(points))
