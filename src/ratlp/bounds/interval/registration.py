"""Rules of whole kinds of functions: rising ones, those that only copy or average, those that work in place."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError


def rising(function: Callable[..., Tensor], x: Interval, *args: Any, **kwargs: Any) -> Interval:
    """Of a function that rises, or stays, in every coordinate: [f(lower), f(upper)].

    Example:
        >>> import torch
        >>> rising(torch.exp, Interval(torch.tensor([0.0]), torch.tensor([1.0])))
        Interval(lower=tensor([1.]), upper=tensor([2.7183]))
    """
    return Interval(function(x.lower, *args, **kwargs), function(x.upper, *args, **kwargs))


def register_rising(functions: Iterable[Any]) -> None:
    """Register functions that rise, or stay, in every coordinate of their first argument."""

    def rule_of(function: Any) -> Callable[..., Interval]:
        return lambda input, *args, **kwargs: rising(function, input, *args, **kwargs)

    for function in functions:
        interval_rule(function)(rule_of(function))


def register_mapped(functions: Iterable[Any]) -> None:
    """Register functions that copy or average coordinates, with factors >= 0 and without a constant.

    The centre goes to the centre, and the radius to the radius.
    """

    def rule_of(function: Any) -> Callable[..., Interval]:
        return lambda input, *args, **kwargs: input.mapped(lambda x: function(x, *args, **kwargs))

    for function in functions:
        interval_rule(function)(rule_of(function))


def register_in_place(functions: Iterable[Any], rule: Callable[..., Interval]) -> None:
    """Register functions that put what `rule` finds in the place of their first argument."""

    @interval_rule(*functions, anywhere=True)
    def apply(input: Any, *args: Any, **kwargs: Any) -> Interval:
        if not isinstance(input, Interval):
            raise BoundError(
                "an ordinary tensor cannot take an interval in place: write it out of place, as x = x + ..."
            )
        return input.overwrite(rule(input, *args, **kwargs))
