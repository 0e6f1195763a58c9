"""The usual attacks, in any norm and at any layer."""

from ratlp.attacks import APGD, FGSM, PGD, Noise, Square, Targeted
from ratlp.evaluation.attack import Attack
from ratlp.latent.layers import INPUT
from ratlp.losses import dlr, log_odds, margin
from ratlp.perturbations import PerturbationSet


def quick_attacks(perturbation: PerturbationSet, *, layer: str = INPUT) -> tuple[Attack, ...]:
    """Attacks of some dozens of gradients: for a first look, and for every epoch.

    FGSM, PGD with 20 steps, APGD with 20 steps on cross-entropy and on DLR, Square with 200 queries, 20 draws of
    noise. The cross-entropy is `log_odds`, which has its direction and does not saturate.

    Args:
        perturbation: The budget, such as `LInf(8 / 255, bounds=(0, 1))`.
        layer: Where, as in `Attack`.

    Example:
        >>> from ratlp.perturbations import LInf
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
        >>> from ratlp.perturbations import LInf
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
