"""By how much the wrong classes lead: functions of logits and labels for an attack to climb."""

import math

import torch
from torch import Tensor

from ratlp.errors import InputError


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """Max over j != y of z_j - z_y: above 0 where the sample is misclassified.

    Carlini and Wagner (arXiv 1608.04644), without their confidence. Per sample; in float32 at least, as the other
    functions of this module.

    Args:
        logits: `[batch, classes]`, 2 classes or more.
        y: `[batch]`, class indices.

    Raises:
        InputError: The logits are not `[batch, classes]` with at least 2 classes.

    Example:
        >>> margin(torch.tensor([[3.0, 1.0, 2.5], [0.0, 1.0, 0.0]]), torch.tensor([0, 0]))
        tensor([-0.5000,  1.0000])
    """
    return leads(checked(logits), y).amax(1)


def log_odds(logits: Tensor, y: Tensor) -> Tensor:
    """log((1 - p_y) / p_y) = logsumexp over j != y of z_j - z_y: cross-entropy for an attack.

    It is monotone in the cross-entropy, CE = log(1 + exp(log_odds)), and its gradient has the same direction,
    grad CE = (1 - p_y) grad log_odds, sample by sample. But it does not saturate: where a net is confident,
    1 - p_y rounds to 0 in float32 and the gradient of the cross-entropy loses its terms or vanishes, so that the
    attack looks weaker than it is.

    Args:
        logits: `[batch, classes]`, 2 classes or more.
        y: `[batch]`, class indices.

    Raises:
        InputError: The logits are not `[batch, classes]` with at least 2 classes.

    Example:
        >>> log_odds(torch.tensor([[3000.0, 1000.0, 0.0]]), torch.tensor([0]))
        tensor([-2000.])
    """
    return leads(checked(logits), y).logsumexp(1)


def checked(logits: Tensor) -> Tensor:
    """The logits in float32 or wider, so that differences of large ones neither round nor overflow.

    Raises:
        InputError: They are not `[batch, classes]` with at least 2 classes.

    Example:
        >>> checked(torch.zeros(1, 2, dtype=torch.float16)).dtype
        torch.float32
    """
    if logits.dim() != 2 or logits.shape[1] < 2:
        raise InputError(
            f"logits must be [batch, classes] with at least 2 classes; found shape {tuple(logits.shape)}: "
            "write a binary classifier's single logit s as [0, s]"
        )
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def logit_of(logits: Tensor, classes: Tensor) -> Tensor:
    """z_j of one class j for each sample, `[batch]`.

    Example:
        >>> logit_of(torch.tensor([[3.0, 1.0], [0.0, 2.0]]), torch.tensor([0, 1]))
        tensor([3., 2.])
    """
    return logits.gather(1, classes[:, None])[:, 0]


def leads(logits: Tensor, y: Tensor) -> Tensor:
    """z_j - z_y, `[batch, classes]`, with -inf at each label.

    Example:
        >>> leads(torch.tensor([[3.0, 1.0]]), torch.tensor([0]))
        tensor([[-inf, -2.]])
    """
    label = y[:, None]
    return (logits - logits.gather(1, label)).scatter(1, label, -math.inf)
