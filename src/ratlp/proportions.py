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


def paired_interval(first_only: int, second_only: int, n: int) -> tuple[float, float]:
    r"""The 95 % interval of a difference of two shares of the same samples.

        d -+ z sqrt(b + c - (b - c)^2 / n) / n,   d = (b - c) / n,   with 1/2 added to b and to c, and 2 to n

    for b samples of the first alone and c of the second alone (Agresti and Min, Statistics in Medicine 24, 2005).

    Example:
        >>> [round(end, 3) for end in paired_interval(10, 2, 100)]
        [0.011, 0.146]
    """
    b, c, total = first_only + 0.5, second_only + 0.5, n + 2
    middle = (b - c) / total
    half = _Z95 * math.sqrt(b + c - (b - c) ** 2 / total) / total
    return max(middle - half, -1.0), min(middle + half, 1.0)


def mcnemar(first_only: int, second_only: int) -> float:
    """The two-sided p-value that two models are equally good (McNemar's exact test).

    Of the samples on which they differ, each is then as likely to be right with the one as with the other.

    Example:
        >>> mcnemar(5, 0), mcnemar(3, 3)
        (0.0625, 1.0)
    """
    n, larger = first_only + second_only, max(first_only, second_only)
    tail: int = sum(math.comb(n, k) for k in range(larger, n + 1))
    return min(1.0, tail / 2 ** (n - 1)) if n else 1.0


def binomial_tail(count: int, n: int, share: float) -> float:
    """P(X >= count) for X binomial, n draws of probability `share`.

    Example:
        >>> binomial_tail(2, 2, 0.5), binomial_tail(0, 2, 0.5)
        (0.25, 1.0)
    """
    if count <= 0 or share >= 1:
        return 1.0
    if count > n or share <= 0:
        return 0.0
    log_odds, log_rest = math.log(share) - math.log1p(-share), n * math.log1p(-share)
    whole = math.lgamma(n + 1)
    terms = (
        math.exp(whole - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * log_odds + log_rest)
        for k in range(count, n + 1)
    )
    return min(math.fsum(terms), 1.0)
