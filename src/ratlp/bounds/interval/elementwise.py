"""Rules of functions of one coordinate: rising ones, and those that fall to one lowest point and rise after it."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.registration import register_in_place, register_rising, rising
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError

_RISING = (
    *(torch.sigmoid, Tensor.sigmoid, functional.sigmoid, torch.tanh, Tensor.tanh, functional.tanh),
    *(torch.exp, Tensor.exp, torch.log, Tensor.log, torch.log1p, Tensor.log1p, torch.expm1, Tensor.expm1),
    *(torch.sqrt, Tensor.sqrt, torch.erf, Tensor.erf, torch.atan, Tensor.atan, torch.arctan, torch.special.expit),
    *(torch.exp2, Tensor.exp2, torch.log2, Tensor.log2, torch.log10, Tensor.log10, torch.sinh, Tensor.sinh),
    *(functional.softsign, functional.logsigmoid, torch.selu, torch.asinh, Tensor.asinh),
    *(functional.tanhshrink, functional.softshrink, functional.hardshrink),
    *(torch.floor, Tensor.floor, torch.ceil, Tensor.ceil, torch.round, Tensor.round),
)
_RISING_WITH_INPLACE = (functional.relu6, functional.hardtanh, functional.hardsigmoid, functional.selu)
_IN_PLACE: dict[Any, tuple[Any, ...]] = {
    torch.sigmoid: (Tensor.sigmoid_, torch.sigmoid_),
    torch.tanh: (Tensor.tanh_, torch.tanh_),
    torch.exp: (Tensor.exp_, torch.exp_),
    torch.sqrt: (Tensor.sqrt_, torch.sqrt_),
    torch.selu: (torch.selu_,),
    functional.hardtanh: (functional.hardtanh_,),
}
# The lowest point of each, to double precision; flat there, so that the value is exact to rounding.
_SILU, _GELU, _GELU_TANH, _MISH = -1.2784645427610738, -0.7517915246935645, -0.7524614220710163, -1.1924312145022138


def valley(function: Callable[[Tensor], Tensor], x: Interval, *, lowest: float) -> Interval:
    """Of a function that falls up to `lowest` and rises from there.

    Example:
        >>> valley(torch.square, Interval(torch.tensor([-1.0]), torch.tensor([2.0])), lowest=0.0)
        Interval(lower=tensor([0.]), upper=tensor([4.]))
    """
    at_lower, at_upper = function(x.lower), function(x.upper)
    return Interval(function(nearest(x, lowest)), torch.maximum(at_lower, at_upper))


def nearest(x: Interval, value: float) -> Tensor:
    """The point of the interval next to a number.

    Example:
        >>> nearest(Interval(torch.tensor([-1.0, 2.0]), torch.tensor([1.0, 3.0])), 0.0)
        tensor([0., 2.])
    """
    # By two functions: clamp gives an edge no gradient where the two are the same.
    return torch.minimum(torch.maximum(torch.full_like(x.lower, value), x.lower), x.upper)


def with_inplace(function: Any, bound: Callable[..., Interval], *always: Any) -> None:
    """Register `bound(input, **options)` for a function that has the option `inplace`, by name or by place.

    And for those that do `always` in place what it does, and have its other options.
    """
    signature = inspect.signature(function)
    others = [parameter for parameter in signature.parameters.values() if parameter.name != "inplace"]
    without = signature.replace(parameters=others)

    @interval_rule(function)
    def apply(*args: Any, **kwargs: Any) -> Interval:
        options = signature.bind(*args, **kwargs).arguments
        input, inplace = options.pop("input"), options.pop("inplace", False)
        found = bound(input, **options)
        return input.overwrite(found) if inplace and found is not input else found

    if always:
        register_in_place(always, lambda *args, **kwargs: bound(**without.bind(*args, **kwargs).arguments))


def _register_rising_with_inplace(function: Any) -> None:
    with_inplace(function, lambda input, **options: rising(function, input, **options))


register_rising(_RISING)
for _function in _RISING_WITH_INPLACE:
    _register_rising_with_inplace(_function)
for _function, _in_place in _IN_PLACE.items():
    register_in_place(_in_place, partial(rising, _function))


def _valley_of(function: Callable[[Tensor], Tensor], lowest: float) -> Callable[[Interval], Interval]:
    return lambda input: valley(function, input, lowest=lowest)


with_inplace(functional.silu, _valley_of(functional.silu, _SILU))
with_inplace(functional.mish, _valley_of(functional.mish, _MISH))
with_inplace(functional.hardswish, _valley_of(functional.hardswish, -1.5))
interval_rule(torch.square, Tensor.square)(_valley_of(torch.square, 0.0))
interval_rule(torch.abs, Tensor.abs, torch.absolute, Tensor.absolute, Tensor.__abs__)(_valley_of(torch.abs, 0.0))
interval_rule(torch.cosh, Tensor.cosh)(_valley_of(torch.cosh, 0.0))


@interval_rule(functional.gelu)
def _gelu(input: Interval, *, approximate: str = "none") -> Interval:
    lowest = _GELU if approximate == "none" else _GELU_TANH
    return valley(lambda x: functional.gelu(x, approximate=approximate), input, lowest=lowest)


@interval_rule(torch.sign, Tensor.sign, torch.sgn, Tensor.sgn)
def _sign(input: Interval) -> Interval:
    """Of a bound that is not a number, not 0, as torch has it: nothing is known there."""
    return Interval(*(torch.where(x.isnan(), x, x.sign()) for x in input.bounds))


@interval_rule(functional.softplus)
def _softplus(input: Interval, beta: float = 1, threshold: float = 20) -> Interval:
    """Rises, but for a step down where torch goes over to x itself, at beta x = threshold."""
    if beta <= 0:
        raise BoundError(f"softplus needs beta > 0 for interval bounds; found {beta}")
    step = threshold / beta
    found = rising(functional.softplus, input, beta, threshold)
    over_step = (input.lower <= step) & (step < input.upper)
    top = functional.softplus(torch.tensor(step, dtype=input.dtype), beta, threshold + 1).item()
    return Interval(
        torch.where(over_step, found.lower.clamp(max=step), found.lower),
        torch.where(over_step, found.upper.clamp(min=top), found.upper),
    )


def _with_slope(function: Callable[..., Tensor], in_place: Any, name: str, default: float) -> None:
    def bound(input: Interval, **options: Any) -> Interval:
        return rising(function, input, _checked_slope(options.get(name, default), name))

    with_inplace(function, bound, in_place)


def _checked_slope(slope: float, name: str) -> float:
    if slope < 0:
        raise BoundError(f"{name} must be >= 0 for interval bounds; found {slope}")
    return slope


_with_slope(functional.leaky_relu, functional.leaky_relu_, "negative_slope", 0.01)
_with_slope(functional.elu, functional.elu_, "alpha", 1.0)
_with_slope(functional.celu, functional.celu_, "alpha", 1.0)


def _rrelu(input: Interval, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Interval:
    if training:
        raise BoundError("rrelu draws its slopes in training; found training=True: call model.eval() for bounds")
    return rising(functional.leaky_relu, input, _checked_slope((lower + upper) / 2, "rrelu's mean slope"))


with_inplace(functional.rrelu, _rrelu, functional.rrelu_)


@interval_rule(functional.prelu, torch.prelu, Tensor.prelu)
def _prelu(input: Interval, weight: Tensor) -> Interval:
    ends = [functional.prelu(x, weight) for x in input.bounds]
    lower, upper = torch.minimum(*ends), torch.maximum(*ends)
    around_zero = (input.lower < 0) & (input.upper > 0)  # where the slope is negative, 0 is the lowest point
    return Interval(torch.where(around_zero, lower.clamp(max=0), lower), upper)


def _threshold(input: Interval, threshold: float, value: float) -> Interval:
    if value > threshold:
        raise BoundError(f"a threshold's value must be <= the threshold; found {value} and {threshold}")
    return rising(functional.threshold, input, threshold, value)


with_inplace(functional.threshold, _threshold, torch.threshold_)  # functional.threshold_ is torch's


@interval_rule(torch.clamp, Tensor.clamp, torch.clip, Tensor.clip)
def clamp(input: Interval, min: Any = None, max: Any = None) -> Interval:
    """Between constants."""
    return rising(torch.clamp, input, min, max)


@interval_rule(torch.clamp_min, Tensor.clamp_min)
def _clamp_min(input: Interval, min: Any) -> Interval:
    return clamp(input, min=min)


@interval_rule(torch.clamp_max, Tensor.clamp_max)
def _clamp_max(input: Interval, max: Any) -> Interval:
    return clamp(input, max=max)


register_in_place([Tensor.clamp_, Tensor.clip_], clamp)
