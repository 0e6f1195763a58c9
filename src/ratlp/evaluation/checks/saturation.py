"""Cross-entropy that has saturated."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ratlp.evaluation.checks.base import SelfCheck
from ratlp.evaluation.checks.case import Case
from ratlp.evaluation.checks.evidence import TOLERATED
from ratlp.evaluation.checks.outcome import Measured
from ratlp.evaluation.checks.zero_gradients import gradients


class Saturation(SelfCheck):
    """Whether the plain cross-entropy, in the model's own type, still has a gradient at the clean points.

    In float32 softmax is exactly 0 and 1 once one logit leads by more than 104: a net whose logits are scaled up looks
    robust to whoever climbs cross-entropy, as most tools do and as adversarial training does. `ratlp.losses.log_odds`
    and `dlr` do not saturate, so that the attacks of `quick_attacks` go on; but the scale is a mask all the same, and
    numbers of others on this net, or of an attack with a loss of one's own, are void. Evaluate the net with its logits
    divided by a temperature.

    The rule is broken where significantly more than 5 % of the samples (exact binomial test, level 1 %) have no
    gradient. The figure is the share of such samples. Costs one forward and backward pass. Source: Carlini and Wagner
    (arXiv 1608.04644) on defensive distillation; Croce and Hein (arXiv 2003.01690), section 4.1.

    Example:
        >>> import torch
        >>> from ratlp.evaluation import quick_attacks
        >>> from ratlp.perturbations import LInf
        >>> net, x = torch.nn.Linear(2, 3), torch.randn(40, 2)
        >>> Saturation()(Case(net, x, net(x).argmax(1), quick_attacks(LInf(0.01)))).verdict
        'pass'
    """

    name = "saturated cross-entropy"
    rule = "the gradient of plain cross-entropy is 0 in all coordinates for no more than 5 % of the samples"

    def measure(self, case: Case) -> Measured:
        """The share of samples whose cross-entropy has no gradient."""
        available = case.per_sample(lambda space, y: gradients(case, space, y, loss=_each).flatten(1).any(1))
        return self.share(case.n - int(available.sum()), case, at_most=TOLERATED)


def _each(logits: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(logits, y, reduction="none")
