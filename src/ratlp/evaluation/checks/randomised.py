"""A forward pass that draws."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.outcome import Measured

_ROUNDINGS = 16
_LEAST = 1e-3


class Randomised(SelfCheck):
    """Whether two passes of the same samples, in evaluation mode and from different seeds, give the same logits.

    Noise inside the net hides the gradient from an attack that takes it once per step; such a net needs gradients
    averaged over many draws (EOT, Athalye et al., arXiv 1802.00420). Dropout called with `training=True`, the default
    of the function, is found here too.

    The figure is the root mean square of the difference, as a share of the logits' own spread over the classes. The
    threshold of 1e-3, or 16 roundings of the logits' type where that is more, lies a hundredfold above what float32
    sums in another order differ by. Costs two forward passes. Source: AutoAttack's flag for randomised defences;
    Pintor et al. (arXiv 2106.09947), indicator I2, "unstable predictions".
    """

    name: ClassVar = "randomised forward"
    rule = "two passes of the same samples differ by at most 0.1 % of the logits' spread: the model draws nothing"
    of: ClassVar[Literal["model", "attack"]] = "model"

    def measure(self, case: Case) -> Measured:
        """The difference of two passes."""
        rows = case.first_rows()
        once, again = (case.logits_of(rows, seed=case.seed + offset) for offset in (1, 2))
        value = difference(once, again)
        return Measured(value, value <= max(_LEAST, _ROUNDINGS * torch.finfo(once.dtype).eps))


def difference(logits: Tensor, others: Tensor) -> float:
    """RMS(logits - others) / RMS(logits less their mean over the classes); 0 where both are equal.

    Example:
        >>> difference(torch.tensor([[1.0, -1.0]]), torch.tensor([[1.5, -1.5]]))
        0.5
    """
    apart = (logits - others).double().square().mean().sqrt()
    spread = (logits - logits.mean(1, keepdim=True)).double().square().mean().sqrt()
    return 0.0 if apart == 0 else float(apart / spread.clamp(min=1e-300))
