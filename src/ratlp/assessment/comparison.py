"""Whether one model is more robust than another, judged on the same samples one by one."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from ratlp.assessment.assessment import Assessment
from ratlp.errors import InputError

_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Difference:
    """What one model gets right more often than another.

    Attributes:
        first: The one model's name.
        second: The other's.
        measure: "clean", or "worst case at PLACE".
        difference: Share of the first less share of the second, in [-1, 1].
        ci95: Its 95 % confidence interval for paired samples (Agresti and Min 2005).
        first_only: Samples that the first alone gets right.
        second_only: Samples that the second alone gets right.
        p_value: Of McNemar's exact test, two-sided: of no difference.
    """

    first: str
    second: str
    measure: str
    difference: float
    ci95: tuple[float, float]
    first_only: int
    second_only: int
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """One entry of `differences` in `results.json`."""
        return {**asdict(self), "ci95": list(self.ci95)}


def differences(names: tuple[str, ...], found: tuple[Assessment, ...]) -> tuple[Difference, ...]:
    """Of every two models: clean, and in the worst case at each place.

    Raises:
        InputError: The models were not assessed on the same samples, at the same places.

    Example:
        >>> differences(("net",), ())
        ()
    """
    if len({(one.evaluation.samples.labels, one.layers) for one in found}) > 1:
        raise InputError("models are compared on the same samples under the same attacks; found others")
    return tuple(
        difference
        for first in range(len(names))
        for second in range(first + 1, len(names))
        for difference in _between(names[first], found[first], names[second], found[second])
    )


def _between(first: str, one: Assessment, second: str, other: Assessment) -> list[Difference]:
    n = one.evaluation.clean.n
    pairs = {"clean": (one.evaluation.samples.correct, other.evaluation.samples.correct)}
    pairs |= {f"worst case at {layer}": (one.robust(layer), other.robust(layer)) for layer in one.layers}
    results = []
    for measure, (these, those) in pairs.items():
        ours, theirs = len(set(these) - set(those)), len(set(those) - set(these))
        share, interval = (ours - theirs) / n, paired_interval(ours, theirs, n)
        p_value = mcnemar(ours, theirs)
        results.append(Difference(first, second, measure, share, interval, ours, theirs, p_value))
    return results


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
