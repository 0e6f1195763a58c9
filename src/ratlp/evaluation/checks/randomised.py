"""A forward pass that draws."""

from typing import ClassVar, Literal

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import Measured


class Randomised(SelfCheck):
    """Whether two passes of the same samples, in evaluation mode and from different seeds, give the same logits.

    Noise inside the net hides the gradient from an attack that takes it once per step; such a net needs gradients
    averaged over many draws (EOT, Athalye et al., arXiv 1802.00420). Dropout called with `training=True`, the default
    of the function, is found here too.

    The figure is the root mean square of the difference, as a share of the logits' own spread over the classes. The
    threshold of 1e-3, or 16 roundings of the logits' type where that is more, lies a hundredfold above what float32
    sums in another order differ by. Costs two forward passes. Source: AutoAttack's flag for randomised defences;
    Pintor et al. (arXiv 2106.09947), indicator I2, "unstable predictions".

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Randomised()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "randomised forward"
    rule = "two passes of the same samples differ by at most 0.1 % of the logits' spread: the model draws nothing"
    of: ClassVar[Literal["model", "attack"]] = "model"

    def measure(self, case: Case) -> Measured:
        """The difference of two passes."""
        return Measured(case.drift, not case.draws)
