"""What every self-check can do."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import beyond
from ratlp.evaluation.checks.outcome import DISTRUST, Measured, NotRun
from ratlp.evaluation.results import Check


class SelfCheck(ABC):
    """One rule that a sound evaluation keeps. A new check is one file with one subclass.

    Attributes:
        name: Of the check, in results.
        rule: What the figure is held against, in words.
        of: What it is a property of: the "model", or the "attack" on it at one place and budget.
    """

    name: ClassVar[str]
    rule: str
    of: ClassVar[Literal["model", "attack"]] = "attack"

    def __call__(self, case: Case) -> Check:
        """Measure, and judge."""
        try:
            found = self.measure(case)
        except NotRun as reason:
            return Check(self.name, None, f"{self.rule} (not run: {reason})", "not run")
        return Check(self.name, found.value, self.rule, "pass" if found.kept else DISTRUST)

    def applies(self, case: Case) -> bool:
        """Whether the rule means anything here; where it does not, the check is left out of the results."""
        return True

    @abstractmethod
    def measure(self, case: Case) -> Measured:
        """The figure, and whether the rule is kept.

        Raises:
            NotRun: It cannot be tested.
        """

    def share(self, count: int, case: Case, *, at_most: float) -> Measured:
        """A count as a share of the samples classified rightly, kept unless significantly above `at_most`.

        Raises:
            NotRun: No sample is classified rightly.
        """
        if case.n == 0:
            raise NotRun("no sample is classified rightly")
        return Measured(count / case.n, not beyond(count, case.n, at_most))
