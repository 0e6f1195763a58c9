"""Robust accuracy that rises with the budget."""

from itertools import pairwise

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import outweighs
from ratlp.evaluation.checks.outcome import Measured
from ratlp.evaluation.checks.vary import scaled

_FACTORS = (0.25, 0.5, 1.0, 2.0)


class Monotone(SelfCheck):
    """Whether a larger budget breaks at least as many samples: every smaller ball lies within it.

    The primary attack is run at a quarter, half, once and twice its eps, each time on all samples: the raw curve, not
    one in which a sample once broken stays so. A rise shows steps that overshoot, or a gradient that is right near the
    point only.

    The rule is broken where, between two of the budgets that follow each other, the samples broken at the smaller one
    alone significantly outnumber those broken at the larger one alone (McNemar's exact test, one-sided, level 1 %).
    The figure is the largest rise of robust accuracy, 0 or more, as a share of the samples classified rightly. Costs
    the primary attack four times. Source: Carlini et al. (arXiv 1902.06705), section 4 and checklist.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Monotone()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "monotone in eps"
    rule = "robust accuracy does not rise significantly from one eps to the next at 1/4, 1/2, 1 and 2 times eps"

    def measure(self, case: Case) -> Measured:
        """The largest rise.

        Raises:
            NotRun: The set has no radius.
        """
        curve = [case.broken(scaled(case.primary, factor)) for factor in _FACTORS]
        rise, kept = 0, True
        for smaller, larger in pairwise(curve):
            lost, gained = int((smaller & ~larger).sum()), int((larger & ~smaller).sum())
            rise = max(rise, lost - gained)
            kept = kept and not outweighs(lost, gained)
        return Measured(rise / case.n, kept)
