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
        gate: Whether the checks of attacks are not run where the rule is broken.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> class Confidence(SelfCheck):
        ...     name, rule = "confidence", "the largest logit leads by less than 50 on average"
        ...     def measure(self, case):
        ...         first, second = case.logits.topk(2).values.mean(0).tolist()
        ...         return Measured(first - second, kept=first - second < 50)
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Confidence()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name: ClassVar[str]
    rule: str
    of: ClassVar[Literal["model", "attack"]] = "attack"
    gate: ClassVar[bool] = False

    def __call__(self, case: Case) -> Check:
        """Measure, and judge."""
        if self.of == "attack" and case.n == 0:
            return self.not_run("no sample is classified rightly")
        try:
            found = self.measure(case)
        except NotRun as reason:
            return self.not_run(str(reason))
        return Check(self.name, found.value, self.rule, "pass" if found.kept else DISTRUST)

    def not_run(self, reason: str) -> Check:
        """What the results say where the rule could not be tested."""
        return Check(self.name, None, f"{self.rule} (not run: {reason})", "not run")

    def applies(self, case: Case) -> bool:
        """Whether the rule means anything here; where it does not, the check is left out of the results."""
        return True

    @abstractmethod
    def measure(self, case: Case) -> Measured:
        """The figure, and whether the rule is kept; a check of attacks has one sample or more classified rightly.

        Raises:
            NotRun: It cannot be tested.
        """

    def share(self, count: int, case: Case, *, at_most: float) -> Measured:
        """A count as a share of the samples classified rightly, kept unless significantly above `at_most`."""
        return Measured(count / case.n, not beyond(count, case.n, at_most))
