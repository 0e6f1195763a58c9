"""What an assessment finds, as frozen values that become JSON."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratlp.certificates import Certification, CertifiedPoint
from ratlp.evaluation import Accuracy, Check, Curve, Distances, Evaluation
from ratlp.evaluation.checks import DISTRUST


@dataclass(frozen=True)
class Certified:
    """Certificates at one place.

    Attributes:
        layer: "input", or the layer's name.
        norm: Of the ball.
        points: By radius, ascending; none where nothing could be certified.
        refused: Why a method could not serve, by its name; under "" why none could.
        contradicted: How many samples at least are certified at an eps within which an attack, the curve or a distance
            breaks them: where it is not 0, a certificate or an attack is wrong.
    """

    layer: str
    norm: str
    points: tuple[CertifiedPoint, ...]
    refused: Mapping[str, str]
    contradicted: int = 0

    @classmethod
    def of(cls, found: Certification, *, contradicted: int = 0) -> "Certified":
        """What a certification shows, without its times.

        Example:
            >>> found = Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1), (0, 1), ())
            >>> Certified.of(found).points[0].certified
            0.0 % (95 % CI 0.0 to 65.8, n = 2)
        """
        refused = {run.name: run.refused for run in found.methods if run.refused is not None}
        return cls(found.layer, found.norm, found.curve, refused, contradicted)

    def check(self) -> Check:
        """That nothing broke what is certified, as a self-check."""
        rule = "no attack, curve or distance breaks a sample that is certified at its eps"
        verdict: str = DISTRUST if self.contradicted else "pass"
        return Check(f"certificates at {self.layer}", self.contradicted, rule, verdict)

    def to_dict(self) -> dict[str, Any]:
        """One entry of `certificates` in `results.json`."""
        own = {"layer": self.layer, "norm": self.norm, "points": [point.to_dict() for point in self.points]}
        return {**own, "refused": dict(self.refused), "contradicted": self.contradicted}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Certified":
        """The inverse of `to_dict`."""
        points = tuple(map(CertifiedPoint.from_dict, entry["points"]))
        return cls(entry["layer"], entry["norm"], points, entry["refused"], entry["contradicted"])


@dataclass(frozen=True)
class Assessment:
    """A model under all attacks at all places.

    Attributes:
        evaluation: Accuracies, and the self-checks.
        curves: One for each place.
        distances: Likewise, of the first samples.
        certificates: Likewise, where asked for.
        timings: Seconds of each part in this run, but of each attack over all runs that it took. Not in the JSON, which
            is the same whenever it is run again.
    """

    evaluation: Evaluation
    curves: tuple[Curve, ...]
    distances: tuple[Distances, ...]
    certificates: tuple[Certified, ...] = ()
    timings: Mapping[str, float] = field(default_factory=dict, compare=False)

    def worst_case(self, layer: str) -> Accuracy:
        """Samples that withstand every attack at one place.

        Example:
            >>> from ratlp.evaluation import AttackResult, Samples
            >>> pgd = AttackResult(
            ...     "pgd", "input", "input", "linf", 0.1, None, None, "pgd", Accuracy(1, 2), 2, forwards=9, gradients=9
            ... )
            >>> samples = Samples((0, 1), (0, 1), {"pgd": (1,)})
            >>> found = Evaluation(
            ...     Accuracy(2, 2), (pgd,), Accuracy(1, 2), (), samples, "independent", seed=0, batch_size=2, run=""
            ... )
            >>> Assessment(found, (), ()).worst_case("input").share
            0.5
        """
        return Accuracy(len(self.robust(layer)), self.evaluation.clean.n)

    def robust(self, layer: str) -> tuple[int, ...]:
        """The indices of these samples."""
        samples = self.evaluation.samples
        names = [attack.name for attack in self.evaluation.attacks if attack.layer == layer]
        broken = {index for name in names for index in samples.broken[name]}
        return tuple(index for index in samples.correct if index not in broken)

    def certificate(self, layer: str) -> Certified | None:
        """What is certified at one place; None where nothing was asked for.

        Example:
            >>> from ratlp.evaluation import Samples
            >>> clean, samples = Accuracy(2, 2), Samples((0, 1), (0, 1), {})
            >>> found = Evaluation(clean, (), clean, (), samples, "independent", seed=0, batch_size=2, run="")
            >>> Assessment(found, (), (), (Certified("encoder", "linf", (), {}),)).certificate("input") is None
            True
        """
        return next((found for found in self.certificates if found.layer == layer), None)

    @property
    def layers(self) -> tuple[str, ...]:
        """The places, in their order."""
        return tuple(dict.fromkeys(attack.layer for attack in self.evaluation.attacks))

    def to_dict(self) -> dict[str, Any]:
        """The content of `results.json`."""
        content = self.evaluation.to_dict()
        samples = content.pop("samples")  # long, so last
        worst = {layer: self.worst_case(layer) for layer in self.layers}
        return {
            **content,
            "worst_cases": [
                {"layer": layer, "robust_accuracy": found.share, "ci95": list(found.ci95), "n": found.n}
                for layer, found in worst.items()
            ],
            "curves": [curve.to_dict() for curve in self.curves],
            "certificates": [found.to_dict() for found in self.certificates],
            "distances": [found.to_dict() for found in self.distances],
            "samples": samples,
        }
