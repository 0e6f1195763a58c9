"""Two lines around functions of one coordinate, between the bounds of its input."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval import Interval
from ratlp.bounds.linear.nodes import Call, Lines, Node, Relaxed
from ratlp.bounds.linear.rules import linear_rule


def rectifier(x: Interval, *, slope: float = 0.0) -> Lines:
    """Lines around x where x > 0, slope * x elsewhere: ReLU, or LeakyReLU with 0 <= slope <= 1.

    Exact where the sign is known. Elsewhere the upper line joins both ends, and the lower one goes through 0 with
    slope 1 if that cuts off more than `slope` does (the adaptive choice of CROWN, arXiv 1811.00866, section 3.2).

    Example:
        >>> lines = rectifier(Interval(torch.tensor([-1.0]), torch.tensor([3.0])))
        >>> lines.lower_slope, lines.upper_slope, lines.upper_intercept
        (tensor([1.]), tensor([0.7500]), tensor([0.7500]))
    """
    lower, upper = x.bounds
    crossing = crosses_zero(x)
    # Where the sign is known both ends lie on the function's own line.
    width = torch.where(crossing, upper - lower, 1)
    known = torch.where(lower >= 0, torch.ones_like(lower), slope)
    chord = torch.where(crossing, (upper - slope * lower) / width, known)
    through_zero = torch.where(upper > -lower, torch.ones_like(lower), slope)
    return Lines(
        lower_slope=torch.where(crossing, through_zero, known),
        upper_slope=chord,
        upper_intercept=torch.where(crossing, (1 - chord) * upper, 0),
        free=crossing,
        least_slope=slope,
    )


def s_shape(function: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor], x: Interval) -> Lines:
    """Parallel lines through both ends, of a rising function whose slope rises to one summit and falls after it.

    With k the smaller slope of the two ends, f(x) - k x does not fall between them (Singh et al., Fast and Effective
    Robustness Certification, 2018).

    Args:
        function: f.
        slope: Its derivative, as a function of f(x).
        x: Bounds of the input.

    Example:
        >>> lines = s_shape(torch.tanh, lambda y: 1 - y * y, Interval(torch.tensor([-1.0]), torch.tensor([0.0])))
        >>> lines.lower_slope * -1.0 + lines.lower_intercept, torch.tensor([-1.0]).tanh()
        (tensor([-0.7616]), tensor([-0.7616]))
    """
    at_lower, at_upper = function(x.lower), function(x.upper)
    k = torch.minimum(slope(at_lower), slope(at_upper))
    return Lines(k, k, at_upper - k * x.upper, lower_intercept=at_lower - k * x.lower)


def crosses_zero(x: Interval) -> Tensor:
    """Where the sign is not known."""
    return (x.lower < 0) & (x.upper > 0)


def _varies(x: Interval) -> Tensor:
    return x.lower < x.upper


def _rectified(call: Call, input: Any, *args: Any, slope: float = 0.0, **kwargs: Any) -> Node:
    return Relaxed(call.output, input, crosses_zero, partial(rectifier, slope=slope))


linear_rule(torch.relu, Tensor.relu, functional.relu, torch.relu_, Tensor.relu_)(_rectified)


@linear_rule(functional.leaky_relu, functional.leaky_relu_)
def _leaky_relu(call: Call, input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Node | None:
    return _rectified(call, input, slope=negative_slope) if 0 <= negative_slope <= 1 else None


def _register_s_shape(functions: tuple[Any, ...], slope: Callable[[Tensor], Tensor]) -> None:
    @linear_rule(*functions)
    def apply(call: Call, input: Any) -> Node:
        return Relaxed(call.output, input, _varies, partial(s_shape, functions[0], slope))


_register_s_shape((torch.tanh, Tensor.tanh, functional.tanh, torch.tanh_, Tensor.tanh_), lambda y: 1 - y * y)
_register_s_shape(
    (torch.sigmoid, Tensor.sigmoid, functional.sigmoid, torch.sigmoid_, Tensor.sigmoid_), lambda y: y * (1 - y)
)
