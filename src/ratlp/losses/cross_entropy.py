"""Cross-entropy of the clean and of the perturbed batch, or of the perturbed batch alone."""

from torch import Tensor
from torch.nn.functional import cross_entropy

from ratlp.losses.base import Loss
from ratlp.losses.targets import check_targets


class CrossEntropy(Loss):
    """CE(g(z), y) + weight * CE(g(z + d), y): the paper's sum (RAT-LP, section 3.3).

    `y` holds class indices `[batch]`, or whatever `torch.nn.functional.cross_entropy` takes.

    Example:
        >>> import torch
        >>> CrossEntropy().clean(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]))
        tensor(0.6931)
    """

    falls_with_margins = True

    def clean(self, logits: Tensor, y: Tensor) -> Tensor:
        """The mean cross-entropy; the labels are checked here, once a step."""
        check_targets(logits, y)
        return cross_entropy(logits, y)

    def adversarial(self, logits: Tensor, y: Tensor, clean_logits: Tensor) -> Tensor:
        """The mean cross-entropy."""
        return cross_entropy(logits, y)

    def inner(self, logits: Tensor, y: Tensor, clean_logits: Tensor) -> Tensor:
        """The cross-entropy of each sample, `[batch]`: the mean over its positions where it has several."""
        losses = cross_entropy(logits, y, reduction="none")
        return losses.flatten(1).mean(1) if losses.dim() > 1 else losses


class AdversarialOnly(CrossEntropy):
    """weight * CE(g(z + d), y): adversarial training as of Madry et al. (arXiv 1706.06083).

    The clean pass still runs: its loss and logits are reported, and BatchNorm takes its running statistics from
    it.

    Example:
        >>> AdversarialOnly().clean_weight
        0.0
    """

    clean_weight = 0.0
