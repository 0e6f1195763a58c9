"""An attack that fails where nothing holds it."""

import copy

import torch
from torch import Tensor

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import beyond
from ratlp.evaluation.checks.outcome import Measured, NotRun
from ratlp.evaluation.checks.vary import scaled
from ratlp.perturbations import L2, LInf, PerturbationSet


class Unbounded(SelfCheck):
    """Whether accuracy falls to chance, or below, at a budget with which any sample can be moved onto any other.

    The radius is the diameter of the box around the samples, in the set's own norm, within its bounds: whatever the
    net, each sample can then be made equal to one of another class, so that its true robust accuracy is 0. Chance,
    1 / classes, is asked for, as a random point of so large a set already gets there.

    The rule is broken where significantly more samples than that stay right (exact binomial test over all samples,
    level 1 %). The figure is the robust accuracy, of all samples. Costs the primary attack once. Source: Carlini et al.
    (arXiv 1902.06705), "verify that attacks with unbounded distortion succeed"; Athalye et al. (arXiv 1802.00420),
    section 3.1; Pintor et al. (arXiv 2106.09947), indicator I6.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Unbounded()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "unbounded eps"
    rule = "accuracy is not significantly above chance where eps lets any sample be moved onto any other"

    def measure(self, case: Case) -> Measured:
        """The robust accuracy without a budget to speak of.

        Raises:
            NotRun: The set has no radius, or the radius is 0, or all samples are predicted to be of one class.
        """
        if len(case.logits.argmax(1).unique()) < 2:
            raise NotRun("all samples are predicted to be of one class")
        points = case.per_sample(lambda space, y: space.points)
        factor = _factor(case.perturbation, points)
        left = case.n - int(case.broken(scaled(case.primary, max(factor, 1.0))).sum())
        n, classes = case.logits.shape
        return Measured(left / n, not beyond(left, n, 1 / classes))


def _factor(perturbation: PerturbationSet, points: Tensor) -> float:
    """By how much the radius must grow to reach from any point of a batch to any other."""
    if not isinstance(perturbation, LInf | L2):
        raise NotRun(f"{type(perturbation).__name__} has no eps that could be varied")
    # In the box around a ball each coordinate has the radius.
    free = copy.copy(perturbation)
    free.bounds = None
    lower, upper = free.edges(points)
    radius = (upper - lower).double() / 2
    spread = (points.amax(0) - points.amin(0)).double()
    if not bool((radius > 0).all()):
        raise NotRun("eps is 0 somewhere")
    if isinstance(perturbation, LInf):
        return float((spread / radius).max())
    return float(torch.linalg.vector_norm(spread) / radius.amin())
