"""How far each sample is from being misclassified, as far as an attack can tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Unpack

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.attacking import find
from ratlp.evaluation.inputs import check_inputs
from ratlp.evaluation.records import Value
from ratlp.evaluation.session import Options, Session
from ratlp.evaluation.spaces import Part, Space
from ratlp.evaluation.work import Task
from ratlp.perturbations import L2, LInf


@dataclass(frozen=True, repr=False)
class Distances:
    """The smallest perturbations found.

    Attributes:
        name: The attack's.
        space: "input" or "latent".
        layer: "input", or the layer's name.
        norm: "linf" or "l2".
        relative_to: The scale that distances are multiples of; None where they are absolute.
        largest: The radius up to which was searched.
        tolerance: Within which the bisection ended: at the distance less this the attack found nothing.
        values: For each sample the length of the smallest perturbation found that the model misclassifies: an upper
            bound of the distance to the decision boundary. 0 where it is misclassified already; None where nothing
            was found up to `largest`.
    """

    name: str
    space: str
    layer: str
    norm: str
    relative_to: str | None
    largest: float
    tolerance: float
    values: tuple[float | None, ...]

    @property
    def median(self) -> float | None:
        """The median over all samples; None where it is beyond `largest`."""
        return self.quantile(0.5)

    def quantile(self, share: float) -> float | None:
        """The smallest distance within which at least a share of the samples is misclassified.

        None where it is beyond `largest`: nothing is known of those samples but that.

        Args:
            share: In (0, 1].

        Raises:
            InputError: It is not.

        Example:
            >>> distances = Distances("pgd", "input", "input", "linf", None, 1.0, 0.1, (0.0, 0.5, 0.25, None))
            >>> distances.median, distances.quantile(1.0)
            (0.25, None)
        """
        if not 0 < share <= 1:
            raise InputError(f"a quantile needs a share in (0, 1]; found {share}")
        ordered = sorted(math.inf if value is None else value for value in self.values)
        value = ordered[math.ceil(share * len(ordered)) - 1]
        return None if math.isinf(value) else value

    def to_dict(self) -> dict[str, Any]:
        """Plain lists, dicts, numbers and strings."""
        shares = {"q25": 0.25, "median": 0.5, "q75": 0.75}
        return {**asdict(self), **{name: self.quantile(share) for name, share in shares.items()}}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "Distances":
        """The inverse of `to_dict`."""
        own = {key: value for key, value in entry.items() if key not in ("q25", "median", "q75")}
        return cls(**{**own, "values": tuple(own["values"])})

    def __repr__(self) -> str:
        quartiles = [self.quantile(share) for share in (0.25, 0.5, 0.75)]
        shown = ["> " + f"{self.largest:g}" if value is None else f"{value:.4g}" for value in quartiles]
        return (
            f"Distances ({self.norm}, {self.layer}) of {len(self.values)} samples by {self.name}: "
            f"quartile {shown[0]}, median {shown[1]}, third quartile {shown[2]}"
        )


def minimal_distances(
    model: nn.Module, x: Any, y: Tensor, attack: Attack, *, tolerance: float | None = None, **options: Unpack[Options]
) -> Distances:
    """Bisect, for each sample, the radius at which an attack begins to succeed.

    The attack is run with its own eps first, then at the middle of what is left for each sample, until that is at
    most `tolerance` long. A perturbation found may be shorter than the radius it was found at: its own length counts.

    Args:
        model: As in `evaluate`; likewise `x` and `y`.
        x: Inputs.
        y: Labels.
        attack: Its eps is the largest distance that is searched.
        tolerance: > 0, in units of eps; eps / 100 unless given.
        **options: As of `Options`.

    Raises:
        InputError: The attack's set is no `LInf` or `L2` ball with one eps > 0, `tolerance` is not > 0, or as in
            `evaluate`.

    Example:
        >>> from ratlp.attacks import PGD
        >>> net = nn.Linear(1, 2)
        >>> _ = net.load_state_dict({"weight": torch.tensor([[1.0], [-1.0]]), "bias": torch.zeros(2)})
        >>> x, y = torch.tensor([[0.5], [-0.5], [5.0]]), torch.tensor([0, 0, 0])
        >>> distances = minimal_distances(net, x, y, Attack("pgd", PGD(steps=5), LInf(1.0)), tolerance=0.01)
        >>> [value if value is None else round(value, 1) for value in distances.values]
        [0.5, 0, None]
    """
    check_inputs(x, y, [attack])
    largest = float(_ball(attack).eps)
    tolerance = largest / 100 if tolerance is None else tolerance
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise InputError(f"tolerance must be finite and > 0; found {tolerance}")
    task = Distance(attack, tolerance=tolerance)
    values = Session(**options).run(model, x, y, [task]).tally.values(task.name)
    where = (attack.name, attack.space, attack.layer, attack.norm, attack.relative_to)
    return Distances(*where, largest, tolerance, values)


class Distance(Task):
    """The length of the shortest perturbation found for each sample; None where none was.

    Args:
        attack: Whose radius is bisected.
        tolerance: When to stop.

    Example:
        >>> from ratlp.attacks import FGSM
        >>> Distance(Attack("fgsm", FGSM(), LInf(0.5)), tolerance=0.01).name
        'distance by fgsm'
    """

    verdicts = False

    def __init__(self, attack: Attack, *, tolerance: float) -> None:
        self._attack = attack
        self._ball = _ball(attack)
        self._tolerance = tolerance
        self.name = f"distance by {attack.name}"
        self.layer = attack.layer
        self.spec = f"distance by {attack.spec}, to {tolerance!r}"

    def __call__(self, space: Space, y: Tensor, *, seed: int) -> Sequence[Value]:
        """Bisect."""
        lower = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        upper = torch.full_like(lower, math.inf)
        rows, radii = torch.arange(len(y), device=y.device), torch.full_like(lower, float(self._ball.eps))
        while len(rows):
            part = Part(space, rows)
            attack = replace(self._attack, perturbation=self._ball.with_radii(radii))
            found = find(attack, part, y[rows], seed=seed)
            lengths = _lengths(self._ball, found.delta, part.points)
            upper[rows] = torch.where(found.broken, torch.minimum(lengths, upper[rows]), upper[rows])
            lower[rows] = torch.where(found.broken, lower[rows], radii)
            # Shorter than where the attack failed: by luck, and the end of the search
            rows = (upper.isfinite() & (upper - lower > self._tolerance)).nonzero()[:, 0]
            radii = (lower[rows] + upper[rows]) / 2
        return [None if math.isinf(value) else value for value in upper.tolist()]


def _ball(attack: Attack) -> LInf | L2:
    set_ = attack.perturbation
    if not isinstance(set_, LInf | L2) or isinstance(set_.eps, Tensor) or getattr(set_, "per", "sample") != "sample":
        raise InputError(f"distances need an LInf or L2 ball per sample, with one eps; found {set_}")
    if set_.eps == 0:
        raise InputError("distances need an attack with eps > 0, the largest that is searched; found 0")
    return set_


def _lengths(ball: LInf | L2, delta: Tensor, point: Tensor) -> Tensor:
    """How long each perturbation is, in units of eps, in float64."""
    moved = delta.double().abs()
    moved = torch.where(moved > 0, moved / ball.unit(point), 0).flatten(1)
    length: Tensor = torch.linalg.vector_norm(moved, 2 if isinstance(ball, L2) else math.inf, dim=1)
    return length
