"""TRADES: the perturbed batch is to be classified as the clean one, right or wrong."""

from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from ratlp.losses.base import Loss
from ratlp.losses.targets import check_targets


class TRADES(Loss):
    """CE(g(z), y) + weight * KL(softmax g(z) || softmax g(z + d)): Zhang et al. (arXiv 1901.08573).

    `weight` is their beta, 6 in their experiments. The inner problem maximises the divergence, whose gradient is
    0 at d = 0: use a maximiser with a random start, such as `PGD(steps=10)`.

    Example:
        >>> import torch
        >>> logits = torch.zeros(4, 2)
        >>> float(TRADES().adversarial(logits, torch.tensor([0, 1, 0, 1]), logits))
        0.0
    """

    uses_clean_logits = True
    inner_is_clean = False

    def clean(self, logits: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy; the labels are checked here, once a step."""
        check_targets(logits, y)
        return cross_entropy(logits, y)

    def adversarial(self, logits: Tensor, y: Tensor, clean_logits: Tensor) -> Tensor:
        """The mean divergence."""
        return self.inner(logits, y, clean_logits).mean()

    def inner(self, logits: Tensor, y: Tensor, clean_logits: Tensor) -> Tensor:
        """The divergence of each sample, `[batch]`."""
        perturbed, clean = log_softmax(logits, 1), log_softmax(clean_logits, 1)
        return kl_div(perturbed, clean, reduction="none", log_target=True).flatten(1).sum(1)
