"""Certified accuracy at one radius, and what an attack leaves there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratlp.proportions import Accuracy


@dataclass(frozen=True)
class CertifiedPoint:
    """Accuracies at one radius.

    Attributes:
        eps: The radius.
        certified: Samples whose class is right on the whole ball.
        by_method: How many samples each method certified that no cheaper one did.
        robust: Samples whose class is right under the attack; None where none was run.

    Example:
        >>> point = CertifiedPoint(0.1, Accuracy(5, 8), {"interval": 5})
        >>> point.certified.share
        0.625
        >>> CertifiedPoint.from_dict(point.to_dict()) == point
        True
    """

    eps: float
    certified: Accuracy
    by_method: Mapping[str, int]
    robust: Accuracy | None = None

    def to_dict(self) -> dict[str, Any]:
        """One entry of a curve: plain numbers; the `robust` ones only where an attack was run."""
        entry = {
            "eps": self.eps,
            "certified_accuracy": self.certified.share,
            "ci95": list(self.certified.ci95),
            "certified": self.certified.correct,
            "n": self.certified.n,
            "by_method": dict(self.by_method),
        }
        if self.robust is None:
            return entry
        robust = {"robust_accuracy": self.robust.share, "robust_ci95": list(self.robust.ci95)}
        return {**entry, **robust, "robust": self.robust.correct}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> "CertifiedPoint":
        """The inverse of `to_dict`."""
        n = entry["n"]
        robust = Accuracy(entry["robust"], n) if "robust" in entry else None
        return cls(entry["eps"], Accuracy(entry["certified"], n), entry["by_method"], robust)
