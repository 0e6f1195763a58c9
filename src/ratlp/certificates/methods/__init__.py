"""The ways to certify, from the cheapest to the dearest.

>>> from ratlp.certificates.methods import chosen
>>> chosen(None, norm="l2")
[ClosedForm(), LipschitzMethod(), LinearMethod()]
"""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from ratlp.certificates.methods.base import Method
from ratlp.certificates.methods.closed_form import ClosedForm
from ratlp.certificates.methods.interval import IntervalMethod
from ratlp.certificates.methods.linear import LinearMethod
from ratlp.certificates.methods.lipschitz import LipschitzMethod
from ratlp.certificates.methods.searched import Searched
from ratlp.errors import InputError
from ratlp.perturbations import Norm

METHODS: Mapping[str, type[Method]] = {
    "closed-form": ClosedForm,
    "lipschitz": LipschitzMethod,
    "interval": IntervalMethod,
    "linear": LinearMethod,
}
"""By name, from the cheapest to the dearest."""

__all__ = ["METHODS", "ClosedForm", "IntervalMethod", "LinearMethod", "LipschitzMethod", "Method", "Searched", "chosen"]


def chosen(wanted: Sequence[str | Method] | None, *, norm: Norm) -> list[Method]:
    """The methods of some names, in the order of `METHODS`, those of the caller's own last.

    Args:
        wanted: Names or methods; all that serve the norm where not given.
        norm: Of perturbations.

    Raises:
        InputError: A name is unknown or given twice, or there are none.

    Example:
        >>> chosen(["interval", "closed-form"], norm="linf")
        [ClosedForm(), IntervalMethod()]
    """
    if wanted is None:
        wanted = [name for name, method in METHODS.items() if norm in method.norms]
    names = [method if isinstance(method, str) else method.name for method in wanted]
    for name in wanted:
        if isinstance(name, str) and name not in METHODS:
            near = get_close_matches(name, METHODS, n=1)
            known = ", ".join(map(repr, METHODS))
            meant = f"; did you mean {near[0]!r}?" if near else ""
            raise InputError(f"a method must be one of {known}; found {name!r}{meant}")
    if not names or len(set(names)) < len(names):
        raise InputError(f"methods must be one or more different ones; found {names}")
    own = [method for method in wanted if not isinstance(method, str)]
    return [METHODS[name]() for name in METHODS if name in wanted] + own
