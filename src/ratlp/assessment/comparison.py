"""Whether one model is more robust than another, judged on the same samples one by one."""

from dataclasses import asdict, dataclass
from typing import Any

from ratlp.assessment.assessment import Assessment
from ratlp.errors import InputError
from ratlp.proportions import mcnemar, paired_interval


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
