"""When a count or a difference is evidence and when it is noise; the tests are exact, as the counts are small."""

import torch
from torch import Tensor

from ratlp.proportions import binomial_tail, mcnemar

_ROUNDINGS = 16

LEVEL = 0.01
"""A check that compares counts fires where chance alone gave as much with less than this probability."""

NOISE = 0.01
"""The share of samples that two runs of a sound attack may leave each other: one point of accuracy."""

TOLERATED = 0.05
"""The share of samples that may have lost their gradient in a sound net, as where a narrow layer's units are dead."""


def beyond(count: int, n: int, share: float) -> bool:
    """Whether `count` of n is significantly more than `share` of them: one-sided exact binomial test at `LEVEL`.

    Example:
        >>> beyond(4, 100, 0.01), beyond(6, 100, 0.01)
        (False, True)
    """
    return binomial_tail(count, n, share) < LEVEL


def outweighs(these: int, those: int) -> bool:
    """Whether the first of two discordant counts is significantly larger: McNemar's exact test, one-sided, at `LEVEL`.

    Of the samples on which two attacks disagree, each is as likely to be broken by the one as by the other where both
    are equally strong: `these` is binomial, these + those draws of probability 1/2 (McNemar 1947).

    Example:
        >>> outweighs(7, 0), outweighs(6, 0), outweighs(20, 18)
        (True, False, False)
    """
    return these > those and mcnemar(these, those) < 2 * LEVEL  # mcnemar is two-sided


def difference(logits: Tensor, others: Tensor) -> float:
    """RMS(logits - others) / RMS(logits less their mean over the classes): 0 where both are equal.

    Example:
        >>> difference(torch.tensor([[1.0, -1.0]]), torch.tensor([[1.5, -1.5]]))
        0.5
    """
    apart = (logits - others).double().square().mean().sqrt()
    spread = (logits - logits.mean(1, keepdim=True)).double().square().mean().sqrt()
    return 0.0 if apart == 0 else float(apart / spread.clamp(min=1e-100))


def beyond_rounding(value: float, least: float, dtype: torch.dtype) -> bool:
    """Whether a difference is above `least`, and above 16 roundings of the logits' type.

    Example:
        >>> beyond_rounding(0.01, 0.001, torch.float32), beyond_rounding(0.01, 0.001, torch.bfloat16)
        (True, False)
    """
    return value > max(least, _ROUNDINGS * torch.finfo(dtype).eps)
