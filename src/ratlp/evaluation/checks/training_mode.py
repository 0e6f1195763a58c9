"""Modules that stay in training mode."""

from typing import ClassVar, Literal

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import Measured


class TrainingMode(SelfCheck):
    """Whether a forward pass in evaluation mode leaves every module in evaluation mode.

    A model handed over in training mode is no matter: an evaluation sets `model.eval()` itself, and gives the mode
    back. But a `train` of the model's own that refuses, or a forward that switches its dropout on ("Monte Carlo
    dropout"), leaves layers that draw, or that learn from the attacked samples.

    The figure is the number of modules found in training mode after a forward; it must be 0. Costs one forward pass.
    Source: Carlini et al. (arXiv 1902.06705): attack the model as it is deployed.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3).eval(), torch.randn(40, 2)
        >>> TrainingMode()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "training mode"
    rule = "no module is in training mode after model.eval() and a forward pass"
    of: ClassVar[Literal["model", "attack"]] = "model"

    def measure(self, case: Case) -> Measured:
        """How many modules train."""
        case.logits_of(case.first_rows)
        training = sum(module.training for module in case.model.modules())
        return Measured(float(training), training == 0)
