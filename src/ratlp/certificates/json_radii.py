"""Radii as JSON knows them: null in place of inf."""

import math
from collections.abc import Iterable


def finite_or_none(radii: Iterable[float]) -> list[float | None]:
    """The radii, with None for those that are not finite.

    Example:
        >>> finite_or_none([0.5, math.inf])
        [0.5, None]
    """
    return [radius if math.isfinite(radius) else None for radius in radii]
