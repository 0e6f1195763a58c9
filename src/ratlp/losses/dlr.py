"""The difference of logits ratio: a margin that a rescaled net cannot change."""

from torch import Tensor

from ratlp.losses.margin import checked, logit_of, margin


def dlr(logits: Tensor, y: Tensor) -> Tensor:
    r"""(max over j != y of z_j - z_y) / (z_(1) - z_(3)), with z_(1) >= z_(2) >= ... the sorted logits.

    Croce and Hein (arXiv 2003.01690): it changes neither with the scale of the logits nor with their offset, lies
    in [-1, 0] where the sample is classified rightly and above 0 where it is not. It needs three classes; with two
    it falls back to `margin`, which is then the log-odds: the ratio would be the margin's sign, and its gradient 0.

    Args:
        logits: `[batch, classes]`, 2 classes or more.
        y: `[batch]`, class indices.

    Raises:
        InputError: The logits are not `[batch, classes]` with at least 2 classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[3.0, 1.0, 2.5]])
        >>> dlr(logits, torch.tensor([0])), dlr(1000 * logits, torch.tensor([0]))
        (tensor([-0.2500]), tensor([-0.2500]))
    """
    logits = checked(logits)
    if logits.shape[1] < 3:
        return margin(logits, y)
    first, _, third = logits.topk(3).values.unbind(1)
    return margin(logits, y) / _positive(first - third)


def targeted_dlr(logits: Tensor, y: Tensor, target: Tensor) -> Tensor:
    r"""(z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2), with t the target and z_(1) >= z_(2) >= ... sorted.

    Croce and Hein (arXiv 2003.01690). It needs four classes; with three it falls back to the
    denominator of `dlr`, z_(1) - z_(3), and with two to the plain z_t - z_y.

    Args:
        logits: `[batch, classes]`, 2 classes or more.
        y: `[batch]`, class indices.
        target: `[batch]`, the class to reach, other than y.

    Raises:
        InputError: The logits are not `[batch, classes]` with at least 2 classes.

    Example:
        >>> import torch
        >>> logits = torch.tensor([[4.0, 3.0, 1.0, 0.0]])
        >>> targeted_dlr(logits, torch.tensor([0]), torch.tensor([2]))
        tensor([-0.8571])
    """
    logits = checked(logits)
    lead = logit_of(logits, target) - logit_of(logits, y)
    highest = logits.topk(min(4, logits.shape[1])).values
    if logits.shape[1] < 3:
        return lead
    return lead / _positive(highest[:, 0] - highest[:, 2:].mean(1))


def _positive(difference: Tensor) -> Tensor:
    """All logits may be equal, and 0 / 0 must be 0."""
    return difference.clamp(min=1e-12)
