"""Rules of arithmetic between intervals, tensors and numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.elementwise import valley
from ratlp.bounds.interval.linear import bilinear, floating
from ratlp.bounds.interval.registration import register_in_place, rising
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval, ends
from ratlp.errors import BoundError


@interval_rule(torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, anywhere=True)
def add(input: Any, other: Any, *, alpha: float = 1) -> Interval:
    """The sum; independent intervals add their radii."""
    if alpha != 1:
        other = multiply(other, alpha) if isinstance(other, Interval) else alpha * _floating(other, input)
    if isinstance(input, Interval) and isinstance(other, Interval):
        if input.is_ball and other.is_ball:
            return Interval.of_ball(input.centre + other.centre, input.radius + other.radius)
        return Interval(input.lower + other.lower, input.upper + other.upper)
    interval, shift = (input, other) if isinstance(input, Interval) else (other, input)
    if interval.is_ball:
        centre = interval.centre + shift
        return Interval.of_ball(centre, interval.radius.expand_as(centre))
    return Interval(interval.lower + shift, interval.upper + shift)


def _floating(operand: Any, beside: Interval) -> Any:
    """A number or an ordinary tensor, whose whole numbers would wrap before they meet the interval."""
    return floating(operand, beside.dtype) if isinstance(operand, Tensor) else operand


@interval_rule(torch.neg, Tensor.neg, Tensor.__neg__, torch.negative, Tensor.negative)
def negate(input: Interval) -> Interval:
    """The bounds change places."""
    if input.is_ball:
        return Interval.of_ball(-input.centre, input.radius)
    return Interval(-input.upper, -input.lower)


@interval_rule(torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract, Tensor.subtract, anywhere=True)
def subtract(input: Any, other: Any, *, alpha: float = 1) -> Interval:
    """The difference."""
    return add(input, negate(other) if isinstance(other, Interval) else -_floating(other, input), alpha=alpha)


@interval_rule(Tensor.__rsub__, torch.rsub, anywhere=True)
def _subtract_from(input: Any, other: Any, *, alpha: float = 1) -> Interval:
    return subtract(other, input, alpha=alpha)


@interval_rule(
    *(torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply, Tensor.multiply),
    anywhere=True,
)
def multiply(input: Any, other: Any) -> Interval:
    """The product: of two intervals, the lowest and the highest of the four products of their ends."""
    if isinstance(input, Interval) and input is other:
        return valley(torch.square, input, lowest=0.0)
    if isinstance(input, Interval) and isinstance(other, Interval):
        found = [a * b for a in input.bounds for b in other.bounds]
        lower = torch.minimum(torch.minimum(found[0], found[1]), torch.minimum(found[2], found[3]))
        return Interval(lower, torch.maximum(torch.maximum(found[0], found[1]), torch.maximum(found[2], found[3])))
    interval, factor = (input, other) if isinstance(input, Interval) else (other, input)
    if isinstance(factor, Tensor):
        return bilinear(torch.mul, interval, factor)
    return _scaled(lambda x: x * factor, interval, rises=factor >= 0)


def _scaled(scale: Callable[[Tensor], Tensor], x: Interval, *, rises: bool) -> Interval:
    """Of multiplication by a number, which keeps infinite bounds, that have no ball, as they are."""
    if x.is_ball:
        return Interval.of_ball(scale(x.centre), scale(x.radius) if rises else -scale(x.radius))
    return Interval(scale(x.lower), scale(x.upper)) if rises else Interval(scale(x.upper), scale(x.lower))


@interval_rule(torch.reciprocal, Tensor.reciprocal)
def reciprocal(input: Interval) -> Interval:
    """1 / x, of intervals that do not contain 0."""
    if not bool(((input.lower > 0) | (input.upper < 0)).all()):
        raise BoundError("a divisor's interval must not contain 0; found one that does: its quotient has no bounds")
    return Interval(input.upper.reciprocal(), input.lower.reciprocal())


@interval_rule(
    *(torch.div, Tensor.div, Tensor.__truediv__, torch.divide, Tensor.divide),
    *(torch.true_divide, Tensor.true_divide),
    anywhere=True,
)
def divide(input: Any, other: Any) -> Interval:
    """The quotient."""
    if isinstance(other, Interval):
        return multiply(input, reciprocal(other))
    if isinstance(other, Tensor):
        return bilinear(torch.div, input, other)
    return _scaled(lambda x: x / other, input, rises=other >= 0)


@interval_rule(Tensor.__rtruediv__, Tensor.__rdiv__, anywhere=True)
def _divide_from(input: Any, other: Any) -> Interval:
    return divide(other, input)


@interval_rule(torch.rsqrt, Tensor.rsqrt)
def _rsqrt(input: Interval) -> Interval:
    return Interval(input.upper.rsqrt(), input.lower.rsqrt())


@interval_rule(torch.pow, Tensor.pow, Tensor.__pow__, anywhere=True)
def power(input: Any, exponent: Any) -> Interval:
    """Of constant exponents: any whole one, and fractions where the base is not negative. Of constant bases > 0."""
    if isinstance(exponent, Interval):
        return _exponential(input, exponent)
    if not isinstance(exponent, int | float):
        raise BoundError(f"an interval's exponent must be a number; found {type(exponent).__name__}")
    if exponent < 0:
        return reciprocal(power(input, -exponent))
    if exponent % 2 == 0:
        return valley(lambda x: x**exponent, input, lowest=0.0)
    if exponent % 1 and bool((input.lower < 0).any()):
        raise BoundError(f"a fractional power needs a base >= 0; found one that may be negative, to {exponent}")
    return rising(torch.pow, input, exponent)


@interval_rule(Tensor.__rpow__)
def _power_of(exponent: Interval, base: Any) -> Interval:
    return _exponential(base, exponent)


def _exponential(base: Any, exponent: Interval) -> Interval:
    if not isinstance(base, int | float) or base <= 0:
        found = base if isinstance(base, int | float) else type(base).__name__
        raise BoundError(f"an interval as exponent needs a number > 0 as its base; found {found}")
    lower, upper = (torch.pow(base, x) for x in exponent.bounds)
    return Interval(lower, upper) if base >= 1 else Interval(upper, lower)


def _pairwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Interval]:
    """Of a function that rises in both of its operands."""

    def apply(input: Any, other: Any) -> Interval:
        return Interval(*(function(a, b) for a, b in zip(ends(input), ends(other), strict=True)))

    return apply


interval_rule(torch.maximum, Tensor.maximum, anywhere=True)(_pairwise(torch.maximum))
interval_rule(torch.minimum, Tensor.minimum, anywhere=True)(_pairwise(torch.minimum))


@interval_rule(torch.addcmul, Tensor.addcmul, anywhere=True)
def _addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    dtype = next(x.dtype for x in (input, tensor1, tensor2) if isinstance(x, Interval))
    return input + value * (floating(tensor1, dtype) * tensor2)


@interval_rule(torch.addcdiv, Tensor.addcdiv, anywhere=True)
def _addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    return input + value * (tensor1 / tensor2)


@interval_rule(torch.lerp, Tensor.lerp, anywhere=True)
def _lerp(input: Any, end: Any, weight: Any) -> Any:
    return (1 - weight) * input + weight * end


@interval_rule(functional.glu)
def _glu(input: Interval, dim: int = -1) -> Any:
    values, gates = input.chunk(2, dim)
    return values * gates.sigmoid()


register_in_place([Tensor.add_, Tensor.__iadd__], add)
register_in_place([Tensor.sub_, Tensor.__isub__], subtract)
register_in_place([Tensor.mul_, Tensor.__imul__], multiply)
register_in_place([Tensor.div_, Tensor.__itruediv__], divide)
register_in_place([torch.neg_, Tensor.neg_], negate)
