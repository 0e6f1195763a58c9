"""The norms in which perturbations are measured, by name.

Norms are those of a sample's tensor as one long vector: "linf" its largest absolute entry, "l2" its length.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, get_args

from ratlp.errors import InputError
from ratlp.perturbations.ball import Ball, Bounds, Scale
from ratlp.perturbations.l2 import L2
from ratlp.perturbations.linf import LInf

Norm = Literal["linf", "l2"]
"""How a perturbation, and what it causes, is measured."""

_SETS: Mapping[str, Callable[..., Ball]] = MappingProxyType({"linf": LInf, "l2": L2})


def check_norm(norm: str) -> None:
    """Refuse what is no `Norm`.

    Raises:
        InputError: The name is unknown.

    Example:
        >>> check_norm("l1")
        Traceback (most recent call last):
        ratlp.errors.InputError: norm must be 'linf' or 'l2'; found 'l1'
    """
    if norm not in get_args(Norm):
        raise InputError(f"norm must be 'linf' or 'l2'; found {norm!r}")


def perturbation_set(norm: Norm, eps: float, *, relative_to: Scale | None = None, bounds: Bounds | None = None) -> Ball:
    """The ball of a norm.

    Args:
        norm: "linf" or "l2".
        eps: Its radius, in units of the point, or of its scale; finite and >= 0.
        relative_to: The scale of a point, such as `rms_per_sample`; 1 where not given.
        bounds: `(low, high)`, numbers or one for each feature; None where the point has no range.

    Raises:
        InputError: An argument is out of its range.

    Example:
        >>> perturbation_set("l2", 0.5)
        L2(0.5)
    """
    check_norm(norm)
    return _SETS[norm](eps, relative_to=relative_to, bounds=bounds)
