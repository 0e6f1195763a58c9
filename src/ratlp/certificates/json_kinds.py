"""What JSON holds, read as what it is to be: an error where it is of another kind. And radii as JSON knows them."""

import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from ratlp.errors import InputError

Kind = TypeVar("Kind")


def text(value: Any) -> str:
    """A string.

    Example:
        >>> text("input")
        'input'
    """
    if not isinstance(value, str):
        raise _refused("text", value)
    return value


def whole(value: Any) -> int:
    """A whole number >= 0.

    Example:
        >>> whole(True)
        Traceback (most recent call last):
        ratlp.errors.InputError: a certification's JSON must hold a whole number >= 0 where it holds True
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _refused("a whole number >= 0", value)
    return value


def number(value: Any) -> float:
    """A finite number.

    Example:
        >>> number(0.5)
        0.5
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise _refused("a finite number", value)
    return value


def size(value: Any) -> float:
    """A finite number >= 0.

    Example:
        >>> size(0.5)
        0.5
    """
    found = number(value)
    if found < 0:
        raise _refused("a number >= 0", value)
    return found


def radius_or_inf(value: Any) -> float:
    """A finite number >= 0, or inf where there is null.

    Example:
        >>> radius_or_inf(0.5), radius_or_inf(None)
        (0.5, inf)
    """
    return math.inf if value is None else size(value)


def finite_or_none(radii: Iterable[float]) -> list[float | None]:
    """The radii, with None, null in JSON, for those that are not finite.

    Example:
        >>> finite_or_none([0.5, math.inf])
        [0.5, None]
    """
    return [radius if math.isfinite(radius) else None for radius in radii]


def some(kind: Callable[[Any], Kind]) -> Callable[[Any], tuple[Kind, ...]]:
    """A list of one kind, with one entry or more.

    Example:
        >>> some(whole)([0, 1])
        (0, 1)
    """

    def listed(value: Any) -> tuple[Kind, ...]:
        if not isinstance(value, list) or not value:
            raise _refused("a list", value)
        return tuple(map(kind, value))

    return listed


def pair(kind: Callable[[Any], Kind]) -> Callable[[Any], tuple[Kind, Kind]]:
    """A list of two of one kind.

    Example:
        >>> pair(number)([0, 1])
        (0, 1)
    """

    def listed(value: Any) -> tuple[Kind, Kind]:
        if not isinstance(value, list) or len(value) != 2:
            raise _refused("a list of two", value)
        return kind(value[0]), kind(value[1])

    return listed


def optional(kind: Callable[[Any], Kind]) -> Callable[[Any], Kind | None]:
    """Of a kind, or None where there is null.

    Example:
        >>> optional(text)(None) is None
        True
    """
    return lambda value: None if value is None else kind(value)


def _refused(wanted: str, value: Any) -> InputError:
    return InputError(f"a certification's JSON must hold {wanted} where it holds {str(value)[:60]}")
