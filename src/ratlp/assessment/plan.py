"""What is to be found out of a model: which attacks, where, within which budgets."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ratlp.errors import InputError
from ratlp.evaluation import Attack, AutoAttack, quick_attacks, standard_attacks
from ratlp.latent.layers import INPUT, at_layer
from ratlp.perturbations import LInf, Norm, PerturbationSet, perturbation_set
from ratlp.perturbations.scale import rms_per_sample

SUITES = {"quick": quick_attacks, "full": standard_attacks}
_AUTOATTACK = "autoattack"
_AROUND = (0.25, 0.5, 1.0, 2.0, 4.0)  # the curve where one eps is given


@dataclass(frozen=True)
class Budget:
    """Radii at one place.

    Attributes:
        radii: Finite, > 0, each once. All attacks have the first; the curve goes through all of them, or from a
            quarter to four times it where there is one.
        relative: Whether they are multiples of the root mean square of each latent.

    Raises:
        InputError: The radii are not so.

    Example:
        >>> Budget((0.1,)).curve
        (0.025, 0.05, 0.1, 0.2, 0.4)
    """

    radii: tuple[float, ...]
    relative: bool = False

    def __post_init__(self) -> None:
        wrong = [radius for radius in self.radii if not (math.isfinite(radius) and radius > 0)]
        if wrong or not self.radii:
            raise InputError(f"eps must be finite and > 0; found {wrong[0] if wrong else 'none'}")
        if len(set(self.radii)) < len(self.radii):
            raise InputError(f"eps must have each radius once; found {list(self.radii)}: leave out what is given twice")

    @property
    def eps(self) -> float:
        """The radius of the attacks."""
        return self.radii[0]

    @property
    def curve(self) -> tuple[float, ...]:
        """The radii of the curve, ascending."""
        return tuple(sorted(self.radii if len(self.radii) > 1 else (factor * self.eps for factor in _AROUND)))


@dataclass(frozen=True)
class Plan:
    """All that an assessment depends on beside model and samples.

    Attributes:
        attacks: "quick", "full", or names of attacks of the full suite, and "autoattack".
        norm: "linf" or "l2".
        budgets: By place: "input", or a layer's name.
        bounds: Of the input; None where it has no range.
        seed: Of all random draws.
        batch_size: Samples at once; found where None.
        checks: Whether the self-checks are run.
        certify: Whether certificates are computed.
        few: Of how many samples, the first ones, minimal distances, self-checks and pictures are made.

    Example:
        >>> plan = Plan(("fgsm", "pgd"), "linf", {"input": Budget((0.1,)), "encoder": Budget((0.5,))}, (0, 1))
        >>> [attack.name for attack in plan.suite()]
        ['fgsm', 'pgd', 'fgsm at encoder', 'pgd at encoder']
        >>> plan.primary("input").perturbation
        LInf(0.1, bounds=(0, 1))
    """

    attacks: tuple[str, ...]
    norm: Norm
    budgets: Mapping[str, Budget]
    bounds: tuple[float, float] | None = None
    seed: int = 0
    batch_size: int | None = None
    checks: bool = True
    certify: bool = False
    few: int = 200

    def __post_init__(self) -> None:
        if self.certify and any(budget.relative for budget in self.budgets.values()):
            raise InputError("certificates need an absolute budget; found a relative one: leave one of the two out")

    def suite(self) -> tuple[Attack, ...]:
        """All attacks at all places, those at a layer with its name.

        Raises:
            InputError: An attack's name is unknown, or the norm is.
            MissingExtraError: The standard AutoAttack is asked for, and its package is not installed.
        """
        return tuple(attack for layer in self.budgets for attack in self._at(layer, self.attacks))

    def primary(self, layer: str) -> Attack:
        """The attack of curves, distances and pictures: the first with gradients and steps, else the first.

        Never AutoAttack, which knows no radius of each sample's own, as distances need, and is dear at every point of
        a curve: where it is alone, PGD.
        """
        given = [a for a in self._at(layer, self.attacks) if not isinstance(a.maximiser, AutoAttack)]
        attacks = given or self._at(layer, ["pgd"])
        climbs = [a for a in attacks if a.maximiser.iterative]
        return [*climbs, *attacks][0]

    def settings(self) -> dict[str, Any]:
        """Whatever changes the results, as JSON."""
        return {**asdict(self), "attacks": ",".join(self.attacks)}

    def _at(self, layer: str, names: Sequence[str]) -> list[Attack]:
        found = chosen(names, self._set(layer), layer=layer, seed=self.seed)
        return [replace(attack, name=attack.name + at_layer(layer)) for attack in found]

    def _set(self, layer: str) -> PerturbationSet:
        budget, bounds = self.budgets[layer], self.bounds if layer == INPUT else None
        scale = rms_per_sample if budget.relative else None
        return perturbation_set(self.norm, budget.eps, relative_to=scale, bounds=bounds)


def attack_names() -> tuple[str, ...]:
    """The attacks that can be chosen by their names.

    Example:
        >>> attack_names()
        ('fgsm', 'pgd', 'apgd-ce', 'apgd-dlr', 'apgd-t', 'square', 'noise', 'autoattack')
    """
    return (*(attack.name for attack in standard_attacks(LInf(1.0))), _AUTOATTACK)


def chosen(names: Sequence[str], perturbation: PerturbationSet, *, layer: str = INPUT, seed: int = 0) -> list[Attack]:
    """The attacks of these names.

    Args:
        names: One suite's, or attacks' of the full suite and "autoattack".
        perturbation: The budget.
        layer: Where.
        seed: Of the standard AutoAttack's own draws.

    Raises:
        InputError: A name is unknown, or given twice.
        MissingExtraError: "autoattack" is asked for, and its package is not installed.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> chosen(["pgdd"], LInf(0.1))
        Traceback (most recent call last):
        ratlp.errors.InputError: attacks must be quick, full, or names out of fgsm, pgd, ... found 'pgdd'
    """
    if len(names) == 1 and names[0] in SUITES:
        return list(SUITES[names[0]](perturbation, layer=layer))
    known = {attack.name: attack for attack in standard_attacks(perturbation, layer=layer)}
    for name in names:
        if name not in attack_names():
            listed = f"{', '.join(SUITES)}, or names out of {', '.join(attack_names())}"
            raise InputError(f"attacks must be {listed}; found {name!r}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"attacks must be one or more, each once; found {', '.join(names) or 'none'}")
    if _AUTOATTACK in names:
        known[_AUTOATTACK] = Attack(_AUTOATTACK, AutoAttack(seed=seed), perturbation, layer=layer)
    return [known[name] for name in names]
