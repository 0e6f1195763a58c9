"""The same attack with one thing changed."""

import copy
from dataclasses import replace
from typing import Any

from ratlp.attacks import FGSM, PGD, Maximiser, Targeted
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.checks.outcome import NotRun

_STEPS = 20  # of PGD, where the attack itself has but one


def scaled(attack: Attack, factor: float) -> Attack:
    """With its radius times `factor`.

    Raises:
        NotRun: Its set has no radius.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> scaled(Attack("fgsm", FGSM(), LInf(0.1)), 2.0).perturbation
        LInf(0.2)
    """
    set_ = attack.perturbation
    eps = getattr(set_, "eps", None)
    if eps is None:
        raise NotRun(f"{type(set_).__name__} has no eps that could be varied")
    return replace(attack, perturbation=set_.with_eps(eps * factor))


def longer(attack: Attack) -> Attack:
    """With twice the steps at the same step size; for FGSM, PGD with 20 steps.

    Raises:
        NotRun: It has no steps.

    Example:
        >>> from ratlp.perturbations import LInf
        >>> longer(Attack("pgd", PGD(steps=10), LInf(0.1))).maximiser
        PGD(steps=20, step_size=0.25)
    """
    return replace(attack, maximiser=_longer(attack.maximiser))


def _longer(maximiser: Maximiser) -> Maximiser:
    if isinstance(maximiser, FGSM):
        return PGD(steps=_STEPS)
    if isinstance(maximiser, Targeted):
        return Targeted(_longer(maximiser.maximiser), loss=maximiser.loss, classes=maximiser.classes)
    other: Any = copy.copy(maximiser)
    if not hasattr(other, "steps"):
        raise NotRun(f"{type(other).__name__} has no steps that could be doubled")
    other.steps = 2 * other.steps
    found: Maximiser = other
    return found
