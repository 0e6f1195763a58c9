"""Rules of softmax and its logarithm, whose both ends are reached."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.arithmetic import negate
from ratlp.bounds.interval.others import before_and_after
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError


def log_softmax(x: Interval, dim: int | None, dtype: torch.dtype | None = None) -> Interval:
    """-log(1 + exp(log sum over j != i of exp(x_j) - x_i)): it rises in x_i and falls in every other coordinate.

    Example:
        >>> x = Interval(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.0]))
        >>> log_softmax(x, 0).upper.exp()  # sigmoid(1) and sigmoid(0)
        tensor([0.7311, 0.5000])
    """
    if dim is None:
        raise BoundError("softmax needs a dim for interval bounds; found none")
    lower, upper = (bound.to(dtype or bound.dtype).movedim(dim, -1) for bound in x.bounds)
    # Relative to the highest: logits may all be as low as torch.finfo(dtype).min, with which masks are made.
    highest = upper.detach().amax(-1, keepdim=True) if upper.shape[-1] else upper
    highest = highest.where(highest.isfinite(), 0.0)
    lower, upper = lower - highest, upper - highest

    def value(own: Tensor, others: Tensor) -> Tensor:
        # A masked logit, -inf, has no gradient through a sum of its exponentials: a very low one has.
        low = torch.finfo(others.dtype).min
        before, after = before_and_after(lambda x: torch.logcumsumexp(x, -1), others.clamp(min=low), nothing=low)
        return functional.logsigmoid(own - torch.logaddexp(before, after))

    return Interval(value(lower, upper).movedim(-1, dim), value(upper, lower).movedim(-1, dim))


def softmax(x: Interval, dim: int | None, dtype: torch.dtype | None = None) -> Interval:
    """Of the logarithm, which keeps the small ones."""
    return Interval(*(bound.exp() for bound in log_softmax(x, dim, dtype).bounds))


def _register(bound: Callable[..., Interval], in_functional: Any, elsewhere: tuple[Any, ...]) -> None:
    @interval_rule(in_functional)
    def with_stack_level(
        input: Interval, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
    ) -> Interval:
        return bound(input, dim, dtype)

    @interval_rule(*elsewhere)
    def without(input: Interval, dim: int, dtype: torch.dtype | None = None) -> Interval:
        return bound(input, dim, dtype)


_register(softmax, functional.softmax, (torch.softmax, Tensor.softmax, torch.special.softmax))
_register(log_softmax, functional.log_softmax, (torch.log_softmax, Tensor.log_softmax, torch.special.log_softmax))


@interval_rule(functional.softmin)
def _softmin(
    input: Interval, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Interval:
    return softmax(negate(input), dim, dtype)
