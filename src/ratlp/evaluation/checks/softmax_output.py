"""Softmax instead of logits."""

from typing import ClassVar, Literal

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import Measured

_ROUNDING = 1e-4


class SoftmaxOutput(SelfCheck):
    """Whether the outputs are probabilities: all in [0, 1], each sample's summing to 1 up to 1e-4.

    Another softmax on top of them, which cross-entropy takes, flattens the loss to a range of 1, and where the net is
    confident the inner one has rounded the gradient away already. Logits fulfil this by chance for no sample, let alone
    for all: the rule is broken where more than half of the samples are so.

    The figure is the share of such samples. Costs no pass beside the clean one. Source: AutoAttack's flag "output of a
    softmax layer" (github.com/fra31/auto-attack, flags_doc.md).

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> SoftmaxOutput()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "softmax outputs"
    rule = "at most half of the samples have outputs in [0, 1] that sum to 1: the model returns logits"
    of: ClassVar[Literal["model", "attack"]] = "model"

    def measure(self, case: Case) -> Measured:
        """The share of samples whose outputs are probabilities."""
        logits = case.logits.double()
        within = ((logits >= -_ROUNDING) & (logits <= 1 + _ROUNDING)).all(1)
        ones = (logits.sum(1) - 1).abs() <= _ROUNDING
        share = float((within & ones).double().mean())
        return Measured(share, share <= 0.5)
