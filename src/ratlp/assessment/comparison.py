"""Whether one model is more robust than another, judged on the same samples one by one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import combinations, zip_longest
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


def differences(found: Mapping[str, Assessment]) -> tuple[Difference, ...]:
    """Of every two models: clean, and in the worst case at each place.

    Args:
        found: Assessments by the names of their models.

    Raises:
        InputError: The models were assessed on samples with other labels, or not under the same attacks in the same
            order.

    Example:
        >>> differences({})
        ()
    """
    for other in list(found)[1:]:
        _check_alike(found, next(iter(found)), other)
    pairs = combinations(found, 2)
    return tuple(difference for first, second in pairs for difference in _between(found, first, second))


def _check_alike(found: Mapping[str, Assessment], first: str, second: str) -> None:
    one, other = found[first].evaluation, found[second].evaluation
    rule, fix = "models are compared on the same samples under the same attacks", "assess all with one plan"
    if one.samples.labels != other.samples.labels:
        raise InputError(f"{rule}; found other labels for {second!r} than for {first!r}: {fix}")
    words = ((attack.attack for attack in evaluation.attacks) for evaluation in (one, other))
    for this, that in zip_longest(*words, fillvalue="no attack"):
        if this != that:
            raise InputError(f"{rule}; found {second!r} under {that}, where {first!r} was under {this}: {fix}")


def _between(found: Mapping[str, Assessment], first: str, second: str) -> list[Difference]:
    one, other = found[first], found[second]
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
