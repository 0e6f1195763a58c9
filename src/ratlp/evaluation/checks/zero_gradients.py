"""Gradients that are 0."""

from torch import Tensor

from ratlp.attacks import ClassifierProblem
from ratlp.attacks.classifier import AttackLoss
from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import TOLERATED
from ratlp.evaluation.checks.outcome import Measured
from ratlp.evaluation.spaces import Space


class ZeroGradients(SelfCheck):
    """Whether the attack has a gradient to follow: at the clean points, of the loss that it climbs.

    Rounding, thresholds, `argmax`, `detach` and saturated outputs leave none, and what climbs it stays where it is. A
    sound net has single samples without (all units of a narrow ReLU layer are dead), hence the threshold: the rule is
    broken where significantly more than 5 % of the samples (exact binomial test, level 1 %) have a gradient that is 0
    in every coordinate.

    The figure is the share of such samples. Costs one forward and backward pass. Source: AutoAttack's flag "zero
    gradients"; Pintor et al. (arXiv 2106.09947), indicator I1, "unavailable gradients".

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> ZeroGradients()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "zero gradients"
    rule = "the gradient of the attack's loss is 0 in all coordinates for no more than 5 % of the samples"

    def measure(self, case: Case) -> Measured:
        """The share of samples without a gradient."""
        gradients_at = case.per_sample(lambda space, y: gradients(case, space, y).flatten(1).any(1))
        return self.share(case.n - int(gradients_at.sum()), case, at_most=TOLERATED)


def gradients(case: Case, space: Space, y: Tensor, *, loss: AttackLoss | None = None) -> Tensor:
    """Of a loss, that which the primary attack climbs unless given, at the points themselves, `[batch, *point]`."""
    loss = case.primary.loss if loss is None else loss
    (found,) = ClassifierProblem(space, y, [space.points], [case.perturbation], loss=loss).gradients
    return found
