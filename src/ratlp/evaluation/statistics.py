"""Confidence in a share that was counted."""

import math

from ratlp.errors import InputError

_Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def wilson(correct: int, n: int) -> tuple[float, float]:
    r"""The 95 % Wilson score interval of a share, `correct` of `n`.

    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), with p = correct / n and z = 1.96 (Wilson
    1927). Unlike p +- 1.96 sqrt(p (1 - p) / n) it stays within [0, 1] and has a width where all or none is correct.

    Args:
        correct: From 0 to n.
        n: How many were counted; >= 1.

    Raises:
        InputError: The numbers are not of these ranges.

    Example:
        >>> low, high = wilson(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if n < 1 or not 0 <= correct <= n:
        raise InputError(f"a share needs 0 <= correct <= n and n >= 1; found {correct} of {n}")
    share, z2 = correct / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # Exactly the ends where the formula gives them up to rounding
    low = 0.0 if correct == 0 else centre - half
    high = 1.0 if correct == n else centre + half
    return low, high
