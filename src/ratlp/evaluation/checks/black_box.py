"""Attacks without gradients that do better than those with them."""

from dataclasses import replace

from ratlp.attacks import Noise, Square
from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import NOISE
from ratlp.evaluation.checks.outcome import Measured
from ratlp.losses import margin


class BlackBox(SelfCheck):
    """Whether random search, or noise, breaks what the attacks with gradients do not.

    Who sees the net has more to go by than who sees its scores alone. Noise, then Square, are run on what all attacks
    with gradients have left. The rule is broken where they break significantly more than 1 % of the samples (exact
    binomial test, level 1 %).

    The figure is the share of samples that they alone break. Costs `draws` + `queries` forward passes, on the samples
    that are left. Source: Carlini et al. (arXiv 1902.06705); AutoAttack's flag "Square attack improves the robustness
    evaluation".

    Args:
        queries: Of Square.
        draws: Of noise.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> BlackBox()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "black box"
    rule = "noise and random search break no more than 1 % of the samples beside those that the white-box attacks break"

    def __init__(self, *, queries: int = 500, draws: int = 20) -> None:
        self._maximisers = (Noise(draws=draws), Square(queries=queries))

    def measure(self, case: Case) -> Measured:
        """The share that they alone break."""
        broken = case.white_box
        for maximiser in self._maximisers:
            attack = replace(case.primary, maximiser=maximiser, loss=margin)
            broken = broken | case.broken(attack, ~broken)
        return self.share(int((broken & ~case.white_box).sum()), case, at_most=NOISE)
