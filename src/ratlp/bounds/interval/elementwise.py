"""Rules of functions of one coordinate: rising ones, and those that fall to one lowest point and rise after it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.tensor import Interval, rule
from ratlp.errors import BoundError

_RISING = (
    *(torch.relu, Tensor.relu, functional.relu6, functional.hardtanh, functional.hardsigmoid),
    *(torch.sigmoid, Tensor.sigmoid, functional.sigmoid, torch.tanh, Tensor.tanh, functional.tanh),
    *(torch.exp, Tensor.exp, torch.log, Tensor.log, torch.log1p, Tensor.log1p, torch.expm1, Tensor.expm1),
    *(torch.sqrt, Tensor.sqrt, torch.erf, Tensor.erf, torch.atan, Tensor.atan, torch.arctan, torch.special.expit),
    *(functional.softplus, functional.softsign, functional.logsigmoid, functional.selu, torch.selu),
    *(functional.tanhshrink, functional.softshrink, functional.hardshrink, torch.sign, Tensor.sign),
    *(torch.floor, Tensor.floor, torch.ceil, Tensor.ceil, torch.round, Tensor.round, torch.asinh, Tensor.asinh),
    *(torch.cumsum, Tensor.cumsum),
)
_IN_PLACE = {
    Tensor.relu_: torch.relu,
    torch.relu_: torch.relu,
    Tensor.sigmoid_: torch.sigmoid,
    torch.sigmoid_: torch.sigmoid,
    Tensor.tanh_: torch.tanh,
    torch.tanh_: torch.tanh,
    Tensor.exp_: torch.exp,
    torch.selu_: torch.selu,
    functional.relu_: torch.relu,
}
# The lowest point of each, to double precision; flat there, so that the value is exact to rounding.
_SILU, _GELU, _GELU_TANH, _MISH = -1.2784645427610738, -0.7517915246935645, -0.7524614220710163, -1.1924312145022138


def rising(function: Callable[..., Tensor], x: Interval, *args: Any, **kwargs: Any) -> Interval:
    """Of a function that rises, or stays, in every coordinate: [f(lower), f(upper)]."""
    return Interval(function(x.lower, *args, **kwargs), function(x.upper, *args, **kwargs))


def valley(function: Callable[[Tensor], Tensor], x: Interval, *, lowest: float) -> Interval:
    """Of a function that falls up to `lowest` and rises from there.

    Example:
        >>> valley(torch.square, Interval(torch.tensor([-1.0]), torch.tensor([2.0])), lowest=0.0)
        Interval(lower=tensor([0.]), upper=tensor([4.]))
    """
    at_lower, at_upper = function(x.lower), function(x.upper)
    # The point of the interval next to the lowest point of all.
    nearest = torch.full_like(x.lower, lowest).clamp(x.lower, x.upper)
    return Interval(function(nearest), torch.maximum(at_lower, at_upper))


def _register_rising(function: Any) -> None:
    @rule(function)
    def apply(input: Interval, *args: Any, inplace: bool = False, **kwargs: Any) -> Interval:
        found = rising(function, input, *args, **kwargs)
        return input.overwrite(found) if inplace else found


for _function in _RISING:
    _register_rising(_function)


def _register_in_place(in_place: Any, function: Any) -> None:
    rule(in_place)(lambda input: input.overwrite(rising(function, input)))


for _in_place, _function in _IN_PLACE.items():
    _register_in_place(_in_place, _function)


def _registered_valley(function: Callable[[Tensor], Tensor], lowest: float) -> Any:
    def apply(input: Interval, inplace: bool = False) -> Interval:
        found = valley(function, input, lowest=lowest)
        return input.overwrite(found) if inplace else found

    return apply


rule(functional.silu)(_registered_valley(functional.silu, _SILU))
rule(functional.mish)(_registered_valley(functional.mish, _MISH))
rule(functional.hardswish)(_registered_valley(functional.hardswish, -1.5))
rule(torch.square, Tensor.square)(_registered_valley(torch.square, 0.0))
rule(torch.abs, Tensor.abs, torch.absolute, Tensor.__abs__)(_registered_valley(torch.abs, 0.0))
rule(torch.cosh)(_registered_valley(torch.cosh, 0.0))


@rule(functional.relu)
def _relu(input: Interval, inplace: bool = False) -> Interval:
    found = rising(torch.relu, input)
    return input.overwrite(found) if inplace else found


@rule(functional.gelu)
def _gelu(input: Interval, *, approximate: str = "none") -> Interval:
    lowest = _GELU if approximate == "none" else _GELU_TANH
    return valley(lambda x: functional.gelu(x, approximate=approximate), input, lowest=lowest)


def _register_with_slope(function: Callable[..., Tensor], name: str, default: float) -> None:
    @rule(function)
    def apply(input: Interval, slope: float = default, inplace: bool = False, **kwargs: Any) -> Interval:
        slope = kwargs.get(name, slope)
        if slope < 0:
            raise BoundError(f"{name} must be >= 0 for interval bounds; found {slope}")
        found = rising(function, input, slope)
        return input.overwrite(found) if inplace else found


_register_with_slope(functional.leaky_relu, "negative_slope", 0.01)
_register_with_slope(functional.elu, "alpha", 1.0)
_register_with_slope(functional.celu, "alpha", 1.0)


@rule(functional.prelu, torch.prelu, Tensor.prelu)
def _prelu(input: Interval, weight: Tensor) -> Interval:
    ends = [functional.prelu(x, weight) for x in input.bounds]
    lower, upper = torch.minimum(*ends), torch.maximum(*ends)
    around_zero = (input.lower < 0) & (input.upper > 0)  # where the slope is negative, 0 is the lowest point
    return Interval(torch.where(around_zero, lower.clamp(max=0), lower), upper)


@rule(functional.threshold)
def _threshold(input: Interval, threshold: float, value: float, inplace: bool = False) -> Interval:
    if value > threshold:
        raise BoundError(f"a threshold's value must be <= the threshold; found {value} and {threshold}")
    found = rising(functional.threshold, input, threshold, value)
    return input.overwrite(found) if inplace else found


@rule(torch.clamp, Tensor.clamp, torch.clip, Tensor.clip)
def _clamp(input: Interval, min: Any = None, max: Any = None) -> Interval:
    if isinstance(min, Interval) or isinstance(max, Interval):
        raise BoundError("the bounds of clamp must be constants; found intervals: use torch.maximum and torch.minimum")
    return rising(torch.clamp, input, min, max)


@rule(torch.clamp_min, Tensor.clamp_min)
def _clamp_min(input: Interval, min: Any) -> Interval:
    return _clamp(input, min=min)


@rule(torch.clamp_max, Tensor.clamp_max)
def _clamp_max(input: Interval, max: Any) -> Interval:
    return _clamp(input, max=max)


@rule(torch.sort, Tensor.sort)
def _sort(input: Interval, dim: int = -1, descending: bool = False) -> tuple[Interval, None]:
    """The k-th smallest of coordinates that rise does not fall; there is no one order, so no indices."""
    return Interval(*(torch.sort(x, dim=dim, descending=descending).values for x in input.bounds)), None


def _register_dropout(function: Callable[..., Tensor]) -> None:
    @rule(function)
    def dropout(input: Interval, p: float = 0.5, training: bool = True, inplace: bool = False) -> Interval:
        """One mask for both bounds, drawn anew: in training the box belongs to that mask."""
        if not training or p == 0:
            return input
        kept = function(torch.ones_like(input.centre), p, True)
        found = input.mapped(lambda x: x * kept)
        return input.overwrite(found) if inplace else found


for _function in (functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d):
    _register_dropout(_function)
