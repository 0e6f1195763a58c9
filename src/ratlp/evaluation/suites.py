"""The usual attacks, in any norm and at any layer."""

from typing import Literal

from ratlp.attacks import APGD, FGSM, PGD, Noise, Square, Targeted
from ratlp.errors import InputError
from ratlp.evaluation.attack import Attack
from ratlp.latent.layers import INPUT
from ratlp.losses import dlr, log_odds, margin
from ratlp.perturbations import L2, LInf, PerturbationSet
from ratlp.perturbations.ball import Bounds

Norm = Literal["linf", "l2"]

_SETS: dict[str, type[LInf] | type[L2]] = {"linf": LInf, "l2": L2}


def perturbation_set(norm: Norm, eps: float, *, bounds: Bounds | None = None) -> PerturbationSet:
    """The ball of a norm.

    Args:
        norm: "linf" or "l2".
        eps: Its radius, in units of the point; finite and >= 0.
        bounds: `(low, high)`, numbers or one for each feature; None where the point has no range.

    Raises:
        InputError: An argument is out of its range.

    Example:
        >>> perturbation_set("l2", 0.5)
        L2(0.5)
    """
    if norm not in _SETS:
        raise InputError(f"norm must be 'linf' or 'l2'; found {norm!r}")
    return _SETS[norm](eps, bounds=bounds)


def quick_attacks(perturbation: PerturbationSet, *, layer: str = INPUT) -> tuple[Attack, ...]:
    """Attacks of some dozens of gradients: for a first look, and for every epoch.

    FGSM, PGD with 20 steps, APGD with 20 steps on cross-entropy and on DLR, Square with 200 queries, 20 draws of
    noise. The cross-entropy is `log_odds`, which has its direction and does not saturate.

    Args:
        perturbation: The budget, such as `LInf(8 / 255, bounds=(0, 1))`.
        layer: Where, as in `Attack`.

    Example:
        >>> [attack.name for attack in quick_attacks(LInf(0.1))]
        ['fgsm', 'pgd', 'apgd-ce', 'apgd-dlr', 'square', 'noise']
    """
    return (
        Attack("fgsm", FGSM(), perturbation, log_odds, layer),
        Attack("pgd", PGD(steps=20), perturbation, log_odds, layer),
        Attack("apgd-ce", APGD(steps=20), perturbation, log_odds, layer),
        Attack("apgd-dlr", APGD(steps=20), perturbation, dlr, layer),
        Attack("square", Square(queries=200), perturbation, margin, layer),
        Attack("noise", Noise(draws=20), perturbation, margin, layer),
    )


def standard_attacks(perturbation: PerturbationSet, *, layer: str = INPUT) -> tuple[Attack, ...]:
    """Attacks for numbers to be quoted, of the strength of AutoAttack's.

    FGSM, PGD with 50 steps and 5 restarts, APGD with 100 steps on cross-entropy and on DLR, APGD towards each of
    up to 9 wrong classes, Square with 5000 queries, 100 draws of noise.

    Args:
        perturbation: The budget.
        layer: Where, as in `Attack`.

    Example:
        >>> [attack.name for attack in standard_attacks(LInf(0.1), layer="2")]
        ['fgsm', 'pgd', 'apgd-ce', 'apgd-dlr', 'apgd-t', 'square', 'noise']
    """
    return (
        Attack("fgsm", FGSM(), perturbation, log_odds, layer),
        Attack("pgd", PGD(steps=50, restarts=5), perturbation, log_odds, layer),
        Attack("apgd-ce", APGD(steps=100), perturbation, log_odds, layer),
        Attack("apgd-dlr", APGD(steps=100), perturbation, dlr, layer),
        Attack("apgd-t", Targeted(APGD(steps=100)), perturbation, margin, layer),
        Attack("square", Square(queries=5000), perturbation, margin, layer),
        Attack("noise", Noise(draws=100), perturbation, margin, layer),
    )
