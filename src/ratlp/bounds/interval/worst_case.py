"""The logits that are worst for each sample's class, from bounds of the net."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError, InputError


def logits_over(rest: Callable[[Tensor], Any], box: Interval) -> Interval:
    """The bounds of the logits that a model, or the rest of one, gives on a box.

    Raises:
        BoundError: The logits do not depend on what is given.

    Example:
        >>> logits_over(torch.relu, Interval(torch.tensor([[-1.0]]), torch.tensor([[2.0]])))
        Interval(lower=tensor([[0.]]), upper=tensor([[2.]]))
    """
    logits = rest(box)
    if not isinstance(logits, Interval):
        raise BoundError("the logits must depend on the layer; found some that do not: choose another layer")
    return logits


def margin_lower_bounds(logits: Interval, y: Tensor) -> Tensor:
    r"""For each class j a lower bound of z_y - z_j over the box; 0 for j = y.

    Where the logits are W x + b of an interval x with centre c and radius r, the difference is bounded as one linear
    function, (w_y - w_j) c + b_y - b_j - |w_y - w_j| r, which is tighter than the difference of two bounds (Gowal et
    al., arXiv 1810.12715, section 3.3).

    Args:
        logits: `[batch, classes]`.
        y: `[batch]`, class indices.

    Returns:
        `[batch, classes]`. A sample keeps its class on the whole box where all entries but its own are > 0.

    Raises:
        InputError: The labels are not one for each sample.

    Example:
        >>> head = torch.nn.Linear(1, 2, bias=False)
        >>> _ = torch.nn.init.ones_(head.weight)  # both logits are equal, wherever z lies
        >>> margin_lower_bounds(head(Interval(torch.zeros(1, 1), torch.ones(1, 1))), torch.tensor([0])).tolist()
        [[0.0, 0.0]]
    """
    _check_labels_fit(logits, y)
    affine = logits.affine_of
    if affine is None or affine.radius.dim() != 2:
        margins = logits.lower.gather(1, y[:, None]) - logits.upper
    else:
        differences = affine.weight[y].unsqueeze(1) - affine.weight
        # After autocast the radius may be in half precision beside weights in single.
        furthest = torch.einsum("bcm,bm->bc", differences.abs(), affine.radius.to(differences.dtype))
        margins = logits.centre.gather(1, y[:, None]) - logits.centre - furthest
    return margins.scatter(1, y[:, None], 0.0)


def _check_labels_fit(logits: Interval, y: Tensor) -> None:
    """Check that there is one label for each sample; values are left to torch, for which they need not be read."""
    if logits.dim() != 2 or y.shape != logits.shape[:1]:
        raise InputError(
            f"logits must be [batch, classes] and labels [batch]; found shapes {tuple(logits.shape)} and "
            f"{tuple(y.shape)}"
        )


def worst_logits(logits: Interval, y: Tensor) -> Tensor:
    """Logits `[batch, classes]` whose cross-entropy is an upper bound of that of every point of the box.

    Shifted so that the logit of the sample's class is 0; the others are at their highest against it.

    Raises:
        InputError: As in `margin_lower_bounds`.
    """
    return -margin_lower_bounds(logits, y)
