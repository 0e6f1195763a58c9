"""An attack that stopped too early."""

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import NOISE
from ratlp.evaluation.checks.outcome import Measured
from ratlp.evaluation.checks.vary import longer


class Converged(SelfCheck):
    """Whether twice the steps break nothing more.

    The primary attack is run with twice its steps, each as large as before, on what all attacks with gradients have
    left; in place of FGSM, PGD with 20 steps. The rule is broken where it breaks significantly more than 1 % of the
    samples (exact binomial test, level 1 %).

    The figure is the share of samples that it breaks in addition. Costs the primary attack twice, on the samples that
    are left. Source: Carlini et al. (arXiv 1902.06705), "verify that attacks have converged"; Pintor et al. (arXiv
    2106.09947), indicator I4, "incomplete optimisation".

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Converged()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "converged"
    rule = "twice the steps break no more than 1 % of the samples beside those that the attacks with gradients break"

    def measure(self, case: Case) -> Measured:
        """The share broken by twice the steps alone."""
        more = case.broken(longer(case.primary), ~case.white_box)
        return self.share(int(more.sum()), case, at_most=NOISE)
