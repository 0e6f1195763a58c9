"""The check of a net's sizes."""

from collections.abc import Sequence
from numbers import Integral

from ratlp.errors import InputError


def check_sizes(**sizes: int | Sequence[int]) -> None:
    """Refuse a size that is no whole number of at least 1.

    Args:
        **sizes: By name: a size, or several.

    Raises:
        InputError: A size breaks the rule.

    Example:
        >>> check_sizes(classes=10, hidden=(32, 16))
        >>> check_sizes(classes=0)
        Traceback (most recent call last):
        ratlp.errors.InputError: classes must be a whole number >= 1; found 0: choose another
    """
    for name, size in sizes.items():
        several = isinstance(size, Sequence) and not isinstance(size, str)
        for one in size if several else (size,):  # type: ignore[union-attr]
            if not isinstance(one, Integral) or isinstance(one, bool) or one < 1:
                rule = "hold whole numbers >= 1" if several else "be a whole number >= 1"
                raise InputError(f"{name} must {rule}; found {size!r}: choose another")
