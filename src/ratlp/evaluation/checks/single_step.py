"""A single step that does better than many."""

from dataclasses import replace

from ratlp.attacks import FGSM
from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import NOISE
from ratlp.evaluation.checks.outcome import Measured, NotRun


class SingleStep(SelfCheck):
    """Whether the iterative attacks break every sample that FGSM breaks.

    Many small steps find at least what one large step finds, where the gradient leads anywhere; where they do not, it
    is right at the clean point only, or the steps are too small.

    FGSM is run, on the primary attack's loss, on what the attacks with gradients and several steps have left. The rule
    is broken where it breaks significantly more than 1 % of the samples (exact binomial test, level 1 %): single
    samples on which two sound attacks differ are noise. The figure is the share of samples that FGSM alone breaks.
    Costs one forward and backward pass, beside the attacks themselves. Source: Carlini et al. (arXiv 1902.06705);
    Athalye et al. (arXiv 1802.00420), section 3.1, "one-step attacks perform better than iterative attacks".

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> SingleStep()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "iterative at least as strong as single-step"
    rule = "FGSM breaks no more than 1 % of the samples beside those that the iterative attacks break"

    def measure(self, case: Case) -> Measured:
        """The share that FGSM alone breaks.

        Raises:
            NotRun: There is no iterative attack.
        """
        if case.iterative is None:
            raise NotRun("none of the attacks takes gradients and several steps")
        alone = case.broken(replace(case.primary, maximiser=FGSM()), ~case.iterative)
        return self.share(int(alone.sum()), case, at_most=NOISE)
