"""Statistics over seeds: mean, spread, confidence, and where a single published number lies."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Literal

from ratlp.errors import InputError
from ratlp.optional import import_optional

Verdict = Literal["within", "above", "below"]


@dataclass(frozen=True)
class Summary:
    """One quantity over n independent seeds.

    Attributes:
        mean: The sample mean.
        std: The sample standard deviation (n - 1 in the denominator); 0 for a single seed.
        ci95: 95 % confidence interval of the mean, mean +- t * std / sqrt(n).
        n: The number of seeds.
    """

    mean: float
    std: float
    ci95: tuple[float, float]
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Summary":
        """Summarise one value per seed.

        Example:
            >>> Summary.of([1.0, 2.0, 3.0]).mean
            2.0

        Raises:
            InputError: A value is NaN or infinite.
        """
        if not all(map(math.isfinite, values)):
            raise InputError(
                "every seed must give finite numbers; found NaN or infinity, so training has diverged: "
                "lower the learning rate or rescale the inputs"
            )
        n = len(values)
        mean, std = fmean(values), (stdev(values) if n > 1 else 0.0)
        half = _t95(n) * std / math.sqrt(n)
        return cls(mean, std, (mean - half, mean + half), n)

    def new_seed_interval(self) -> tuple[float, float]:
        """95 % prediction interval of one further seed, mean +- t * std * sqrt(1 + 1/n)."""
        half = _t95(self.n) * self.std * math.sqrt(1 + 1 / self.n)
        return self.mean - half, self.mean + half

    def verdict(self, published: float) -> Verdict | None:
        """Where a published number lies: within the interval of a new seed, above it, below it.

        None from one seed, which has no spread and so no interval.
        """
        if self.n < 2:
            return None
        low, high = self.new_seed_interval()
        if published < low:
            return "below"
        return "above" if published > high else "within"


def _t95(n: int) -> float:
    """The 97.5 % quantile of Student's t with n - 1 degrees of freedom; 0 for one seed (no spread)."""
    if n < 2:
        return 0.0
    stats = import_optional("scipy.stats", package="scipy", extra="cli")
    return float(stats.t.ppf(0.975, n - 1))
