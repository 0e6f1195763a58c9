"""What an attack is: who searches, what is climbed, where, and within which budget."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import Tensor

from ratlp.attacks import Maximiser
from ratlp.attacks.classifier import AttackLoss
from ratlp.errors import InputError
from ratlp.latent.layers import INPUT
from ratlp.losses import log_odds
from ratlp.perturbations import L2, LInf, PerturbationSet

_NORMS = {LInf: "linf", L2: "l2"}

Eps = float | list[Any] | None
"""A radius as JSON has it: a number; nested lists where each feature has its own; None where a set has none."""


@dataclass(frozen=True)
class Attack:
    """One attack on a classifier, in input space or at a layer.

    Attributes:
        name: Names the attack in results; unique among those that run together.
        maximiser: Who searches.
        perturbation: The set that is searched, in units of the point, with its bounds.
        loss: What is climbed, as loss(logits, y) -> `[batch]`: see `ratlp.losses`.
        layer: "input", or the name of the layer whose output is perturbed, as in `RATLP`.

    Example:
        >>> from ratlp.attacks import PGD
        >>> attack = Attack("pgd", PGD(steps=20), LInf(0.1, bounds=(0, 1)))
        >>> attack.space, attack.norm, attack.eps
        ('input', 'linf', 0.1)
        >>> attack.at(0.2).perturbation
        LInf(0.2, bounds=(0, 1))
    """

    name: str
    maximiser: Maximiser
    perturbation: PerturbationSet
    loss: AttackLoss = log_odds
    layer: str = INPUT

    @property
    def space(self) -> Literal["input", "latent"]:
        """Where the attack moves points."""
        return "input" if self.layer == INPUT else "latent"

    @property
    def norm(self) -> str:
        """The norm of its set: "linf" or "l2", or the name of another set's class in lower case."""
        return _NORMS.get(type(self.perturbation), type(self.perturbation).__name__.lower())

    @property
    def eps(self) -> Eps:
        """The radius of its set."""
        eps = getattr(self.perturbation, "eps", None)
        return eps.tolist() if isinstance(eps, Tensor) else eps

    @property
    def relative_to(self) -> str | None:
        """The name of the scale that eps is a multiple of; None where eps is absolute."""
        scale = getattr(self.perturbation, "relative_to", None)
        return None if scale is None else getattr(scale, "__name__", str(scale))

    def at(self, eps: float) -> "Attack":
        """The same attack with another radius, and under a name that says so.

        Raises:
            InputError: The set has no radius that is one number, or `eps` is negative or not finite.
        """
        if not isinstance(getattr(self.perturbation, "eps", None), float):
            raise InputError(f"another eps needs a set with one eps, a number; found {self.perturbation}")
        return replace(self, name=f"{self.name} at {eps:g}", perturbation=self.perturbation.with_eps(eps))

    @property
    def spec(self) -> str:
        """All that its outcome depends on beside model, data and seed.

        Maximisers and losses are known by their `repr` and name: those of one's own need one that says their options.
        """
        bounds = getattr(self.perturbation, "bounds", None) or ()
        limits = [bound.tolist() if isinstance(bound, Tensor) else bound for bound in bounds]
        return f"{self}, eps {self.eps}, bounds {limits}"

    def __str__(self) -> str:
        loss = getattr(self.loss, "__name__", repr(self.loss))
        return f"{self.name}: {self.maximiser!r} on {loss} in {self.perturbation!r} at {self.layer!r}"
