"""The rule of ReLU, which most nets spend most of their time in beside their products."""

import functools
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.registration import register_in_place
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval


@interval_rule(torch.relu, Tensor.relu)
def relu(input: Interval) -> Interval:
    """Both bounds without what is negative of them; from centre and radius where these are held.

    Example:
        >>> relu(Interval.of_ball(torch.tensor([0.5]), torch.tensor([1.0])))
        Interval(lower=tensor([0.]), upper=tensor([1.5000]))
    """
    if input.is_ball:
        centre, radius = input.ball
        if torch.is_grad_enabled() and (centre.requires_grad or radius.requires_grad):
            return Interval.of_ball(*_ReluOfBall.apply(centre, radius))  # type: ignore[no-untyped-call]
        return Interval.of_ball(*_relu_of_ball(centre, radius))
    return Interval(torch.relu(input.lower), torch.relu(input.upper))


@interval_rule(functional.relu)
def _functional_relu(input: Interval, inplace: bool = False) -> Interval:
    return input.overwrite(relu(input)) if inplace else relu(input)


register_in_place([torch.relu_, Tensor.relu_], relu)  # functional.relu_ is torch's


def _relu_of_ball(centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
    """Centre and radius of [relu(c - r), relu(c + r)], in three passes over the memory, for those are what it costs.

    The radius is half the upper bound, (c + r) / 2, but at least 0 and at most r; the centre is the larger of c and
    of that radius: c and r where c > r, half the upper bound twice where the box contains 0, and 0 below.
    """
    half = torch.lerp(centre, radius, 0.5)
    torch.clamp(half, half.new_zeros(()), radius, out=half)
    return torch.maximum(centre, half), half


class _ReluOfBall(torch.autograd.Function):
    """The same with its gradient, in fewer steps than those of its parts."""

    @staticmethod
    def forward(ctx: Any, centre: Tensor, radius: Tensor) -> tuple[Tensor, Tensor]:
        found = _relu_of_ball(centre, radius)
        ctx.save_for_backward(*found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """The sum and the difference pass where the upper and the lower bound are positive."""
        centre, radius = ctx.saved_tensors
        at_upper = _where_positive(gradients[0] + gradients[1], centre)
        at_lower = _where_positive(gradients[0] - gradients[1], centre - radius)
        on_centre = (at_upper + at_lower).mul_(0.5)
        return on_centre, at_upper.sub_(on_centre)


_where_positive = functools.partial(torch.ops.aten.threshold_backward, threshold=0)
