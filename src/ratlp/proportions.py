"""Shares of samples, and how sure they are."""

import math
from dataclasses import dataclass

from ratlp.errors import InputError

_Z95 = 1.959963984540054  # the 97.5 % quantile of the normal distribution


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    r"""The 95 % confidence interval of a share, from `successes` of `n` independent trials (Wilson, 1927).

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n),    p = successes / n, z = 1.96.

    Unlike p -+ z sqrt(p (1 - p) / n) it stays within [0, 1] and has a width where all trials have one outcome.

    Args:
        successes: From 0 to n.
        n: Trials, 1 or more.

    Returns:
        Lower and upper end, shares in [0, 1].

    Raises:
        InputError: The counts do not fit.

    Example:
        >>> [round(end, 4) for end in wilson_interval(8, 10)]
        [0.4902, 0.9433]
        >>> wilson_interval(0, 10)[0], round(wilson_interval(0, 10)[1], 4)
        (0.0, 0.2775)
    """
    if not 0 <= successes <= n or n < 1:
        raise InputError(f"a share needs 0 <= successes <= n and n >= 1; found {successes} of {n}")
    share, z2 = successes / n, _Z95 * _Z95
    centre = share + z2 / (2 * n)
    half = _Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    # The ends are 0 and 1 exactly where all trials agree; rounding would miss them by 1e-17.
    low = 0.0 if successes == 0 else (centre - half) / scale
    return low, 1.0 if successes == n else (centre + half) / scale


@dataclass(frozen=True)
class Accuracy:
    """How many of n samples are classified rightly.

    Attributes:
        correct: How many.
        n: Of how many.

    Example:
        >>> Accuracy(9, 10)
        90.0 % (95 % CI 59.6 to 98.2, n = 10)
    """

    correct: int
    n: int

    @property
    def share(self) -> float:
        """The accuracy, in [0, 1]."""
        return self.correct / self.n

    @property
    def ci95(self) -> tuple[float, float]:
        """Its 95 % Wilson interval."""
        return wilson_interval(self.correct, self.n)

    def __repr__(self) -> str:
        low, high = self.ci95
        return f"{100 * self.share:.1f} % (95 % CI {100 * low:.1f} to {100 * high:.1f}, n = {self.n})"
