"""What is certified of a model: a radius per sample, and all that follows from it, as a value that becomes JSON.

`docs/certify.md` documents the keys.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ratlp.certificates.curve import CertifiedPoint
from ratlp.certificates.json_kinds import (
    finite_or_none,
    number,
    optional,
    pair,
    radius_or_inf,
    size,
    some,
    text,
    whole,
)
from ratlp.certificates.order import check_order
from ratlp.errors import InputError
from ratlp.latent.layers import INPUT
from ratlp.optional import import_optional
from ratlp.perturbations import Norm
from ratlp.perturbations.norms import check_norm
from ratlp.perturbations.values import checked_eps
from ratlp.proportions import Accuracy

if TYPE_CHECKING:
    import pandas

SCHEMA = "ratlp.certify/1"
"""Names the layout of the JSON."""


@dataclass(frozen=True)
class MethodRun:
    """What one method found.

    Attributes:
        name: The method's.
        samples: How many it was tried on: those that cheaper methods left open; 0 if none were left.
        seconds: It took.
        refused: Why it could not serve; None where it did.
        radius: For each sample the radius that it proved where no cheaper method proved a larger one, else 0; empty
            where it did not run.
    """

    name: str
    samples: int
    seconds: float
    refused: str | None = None
    radius: tuple[float, ...] = ()


@dataclass(frozen=True)
class AttackRun:
    """What an attack beside the certificates found.

    Attributes:
        name: The attack, with its options.
        seconds: It took.
        broken_at: For each sample the smallest of the eps asked for at which its class is not the label; 0 where the
            clean one is not, inf where the attack found nothing.
    """

    name: str
    seconds: float
    broken_at: tuple[float, ...]


@dataclass(frozen=True)
class Certification:
    """Certified radii of a model on samples, in one space.

    Accuracies are of all samples: one that is misclassified counts against each of them. That certified samples
    withstand the attack, where one was run, is checked when the value is made.

    Attributes:
        layer: Whose output is perturbed, or "input".
        norm: Of perturbations.
        bounds: Of the input; None where unbounded.
        eps: The radii asked for, ascending.
        tolerance: How far a radius may lie below the largest that its method proves: a share of the larger of itself
            and the largest eps.
        dtype: In which bounds were computed.
        labels: The label of each sample.
        predicted: The class of each sample, by the model as it is.
        methods: In the order in which they ran.
        attack: None where none was run.

    Raises:
        InputError: The parts are not of one length.
        SoundnessError: The attack broke a certificate.

    Example:
        >>> run = MethodRun("interval", samples=2, seconds=0.1, radius=(0.12, 0.0, 0.0))
        >>> found = Certification("input", "linf", None, (0.1,), 0.01, "float64", (0, 1, 1), (0, 1, 0), (run,))
        >>> found.clean
        66.7 % (95 % CI 20.8 to 93.9, n = 3)
        >>> found.certified(0.1).tolist(), found.point(0.1).by_method
        ([True, False, False], {'interval': 1})
        >>> Certification.from_json(found.to_json()) == found
        True
    """

    layer: str
    norm: Norm
    bounds: tuple[float, float] | None
    eps: tuple[float, ...]
    tolerance: float
    dtype: str
    labels: tuple[int, ...]
    predicted: tuple[int, ...]
    methods: tuple[MethodRun, ...]
    attack: AttackRun | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.predicted)} | {len(run.radius) for run in self.methods if run.radius}
        lengths |= {len(self.attack.broken_at)} if self.attack else set()
        if not self.labels or lengths != {len(self.labels)}:
            raise InputError(f"a certification needs one of everything per sample; found lengths {sorted(lengths)}")
        for eps in self.eps if self.attack else ():
            check_order(self.correct, self.survived(eps), self.certified(eps), eps=eps)

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.labels)

    @cached_property
    def correct(self) -> Tensor:
        """`[n]`: whether the model's class is the label."""
        return torch.tensor(self.predicted) == torch.tensor(self.labels)

    @cached_property
    def radius(self) -> Tensor:
        """`[n]`, float64: no point up to that far has another class; inf where none has at all; 0 where unknown."""
        none = torch.zeros(1, self.n, dtype=torch.float64)
        proved = [torch.tensor([run.radius], dtype=torch.float64) for run in self.methods if run.radius]
        return torch.cat([none, *proved]).amax(0)

    @cached_property
    def method(self) -> tuple[str | None, ...]:
        """Which method proved each sample's radius; None where that is 0."""
        best: list[str | None] = [None] * self.n
        for run in self.methods:
            for sample, radius in enumerate(run.radius):
                if 0 < radius == float(self.radius[sample]):
                    best[sample] = run.name
        return tuple(best)

    def certified(self, eps: float) -> Tensor:
        """`[n]`: whether each sample's class is right, and proved not to change, on the closed ball of that radius."""
        return self.correct & (self.radius >= checked_eps(eps))

    def survived(self, eps: float) -> Tensor:
        """`[n]`: whether the attack left each sample's class right.

        Raises:
            InputError: No attack was run, or none at that radius.
        """
        if self.attack is None or eps not in self.eps:
            raise InputError(f"an attack must have run at eps = {eps:g}; found it at {self.eps if self.attack else ()}")
        return torch.tensor(self.attack.broken_at, dtype=torch.float64) > eps

    @property
    def clean(self) -> Accuracy:
        """Clean accuracy."""
        return _accuracy(self.correct)

    def point(self, eps: float) -> CertifiedPoint:
        """The accuracies at any radius; at those asked for, with the attack's."""
        certified, by_method, left = self.certified(eps), {}, self.correct
        for run in self.methods:
            own = left & (torch.tensor(run.radius, dtype=torch.float64) >= eps) if run.radius else left & False
            by_method[run.name], left = int(own.sum()), left & ~own
        robust = _accuracy(self.survived(eps)) if self.attack and eps in self.eps else None
        return CertifiedPoint(eps, _accuracy(certified), by_method, robust)

    @property
    def curve(self) -> tuple[CertifiedPoint, ...]:
        """The accuracies at the radii asked for."""
        return tuple(map(self.point, self.eps))

    def to_dataframe(self) -> "pandas.DataFrame":
        """One row a sample: label, predicted, correct, radius, method, and broken_at where an attack was run.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        frames = import_optional("pandas", package="pandas", extra="cli")
        columns = {
            "label": self.labels,
            "predicted": self.predicted,
            "correct": self.correct.numpy(),
            "radius": self.radius.numpy(),
            "method": list(self.method),
        }
        attacked = {} if self.attack is None else {"broken_at": self.attack.broken_at}
        found: pandas.DataFrame = frames.DataFrame({**columns, **attacked})
        return found.rename_axis("sample")

    def to_dict(self) -> dict[str, Any]:
        """The content of the JSON: plain lists, dicts, numbers and strings; null for an infinite radius."""
        attack = None
        if self.attack is not None:
            attack = {**vars(self.attack), "broken_at": finite_or_none(self.attack.broken_at)}
        return {
            "schema": SCHEMA,
            "layer": self.layer,
            "norm": self.norm,
            "bounds": None if self.bounds is None else list(self.bounds),
            "eps": list(self.eps),
            "tolerance": None if math.isinf(self.tolerance) else self.tolerance,
            "dtype": self.dtype,
            "n": self.n,
            "clean": self.clean.share,
            "clean_ci95": list(self.clean.ci95),
            "curve": [point.to_dict() for point in self.curve],
            "methods": [{**vars(run), "radius": finite_or_none(run.radius)} for run in self.methods],
            "attack": attack,
            "samples": {
                "label": list(self.labels),
                "predicted": list(self.predicted),
                "radius": finite_or_none(self.radius.tolist()),
                "method": list(self.method),
            },
        }

    def to_json(self) -> str:
        """The content as text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "Certification":
        """The value that `to_dict` described; what else stands there (as the command's facts) is left out.

        Raises:
            InputError: The content is of another layout, or a value of another kind.
        """
        if content.get("schema") != SCHEMA:
            raise InputError(f"a certification must have the schema {SCHEMA}; found {content.get('schema')!r}")
        try:
            norm = content["norm"]
            check_norm(norm)
            return cls(
                layer=text(content["layer"]),
                norm=norm,
                bounds=optional(pair(number))(content["bounds"]),
                eps=some(size)(content["eps"]),
                tolerance=radius_or_inf(content["tolerance"]),
                dtype=text(content["dtype"]),
                labels=some(whole)(content["samples"]["label"]),
                predicted=some(whole)(content["samples"]["predicted"]),
                methods=some(_method_run)(content["methods"]),
                attack=optional(_attack_run)(content["attack"]),
            )
        except (KeyError, TypeError) as error:
            raise InputError(f"a certification's JSON must be whole; found {type(error).__name__} ({error})") from error

    @classmethod
    def from_json(cls, text: str) -> "Certification":
        """The value that `to_json` described, or a `results.json` of the command.

        Raises:
            InputError: The text is no JSON, or of another layout.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError(f"a certification must be JSON; found {error}") from error
        if not isinstance(content, dict):
            raise InputError(f"a certification's JSON must be an object; found {type(content).__name__}")
        return cls.from_dict(content)

    def __repr__(self) -> str:
        where = "the input" if self.layer == INPUT else f"layer {self.layer!r}"
        points = ", ".join(f"{100 * point.certified.share:.1f} % at {point.eps:g}" for point in self.curve)
        clean = f"{100 * self.clean.share:.1f} %"
        return f"Certification({self.n} samples, {self.norm} in {where}: clean {clean}, certified {points})"


def _method_run(entry: Mapping[str, Any]) -> MethodRun:
    return MethodRun(
        name=text(entry["name"]),
        samples=whole(entry["samples"]),
        seconds=size(entry["seconds"]),
        refused=optional(text)(entry["refused"]),
        radius=some(radius_or_inf)(entry["radius"]) if entry["radius"] != [] else (),
    )


def _attack_run(entry: Mapping[str, Any]) -> AttackRun:
    return AttackRun(text(entry["name"]), size(entry["seconds"]), some(radius_or_inf)(entry["broken_at"]))


def _accuracy(mask: Tensor) -> Accuracy:
    return Accuracy(int(mask.sum()), len(mask))
