"""Rules of arithmetic between intervals, tensors and numbers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ratlp.bounds.interval.elementwise import valley
from ratlp.bounds.interval.linear import bilinear
from ratlp.bounds.interval.tensor import Interval, rule
from ratlp.errors import BoundError

Operand = Tensor | float


@rule(torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__)
def add(input: Any, other: Any, *, alpha: float = 1) -> Interval:
    """The sum; independent intervals add their radii."""
    other = other if alpha == 1 else multiply(other, alpha) if isinstance(other, Interval) else alpha * other
    if isinstance(input, Interval) and isinstance(other, Interval):
        if input._ball is not None and other._ball is not None:
            return Interval.of_ball(input.centre + other.centre, input.radius + other.radius)
        return Interval(input.lower + other.lower, input.upper + other.upper)
    interval, shift = (input, other) if isinstance(input, Interval) else (other, input)
    if interval._ball is not None:
        centre = interval.centre + shift
        return Interval.of_ball(centre, interval.radius.expand_as(centre))
    return Interval(interval.lower + shift, interval.upper + shift)


@rule(torch.neg, Tensor.neg, Tensor.__neg__, torch.negative)
def negate(input: Interval) -> Interval:
    """The bounds change places."""
    if input._ball is not None:
        return Interval.of_ball(-input.centre, input.radius)
    return Interval(-input.upper, -input.lower)


@rule(torch.sub, Tensor.sub, Tensor.__sub__, torch.subtract)
def subtract(input: Any, other: Any, *, alpha: float = 1) -> Interval:
    """The difference."""
    return add(input, negate(other) if isinstance(other, Interval) else -other, alpha=alpha)


@rule(Tensor.__rsub__, torch.rsub)
def _subtract_from(input: Any, other: Any) -> Interval:
    return subtract(other, input)


@rule(torch.mul, Tensor.mul, Tensor.__mul__, Tensor.__rmul__, torch.multiply)
def multiply(input: Any, other: Any) -> Interval:
    """The product: of two intervals, the lowest and the highest of the four products of their ends."""
    if isinstance(input, Interval) and input is other:
        return valley(torch.square, input, lowest=0.0)
    if isinstance(input, Interval) and isinstance(other, Interval):
        ends = [a * b for a in input.bounds for b in other.bounds]
        lower = torch.minimum(torch.minimum(ends[0], ends[1]), torch.minimum(ends[2], ends[3]))
        return Interval(lower, torch.maximum(torch.maximum(ends[0], ends[1]), torch.maximum(ends[2], ends[3])))
    interval, factor = (input, other) if isinstance(input, Interval) else (other, input)
    if isinstance(factor, Tensor):
        return bilinear(torch.mul, interval, factor)
    if interval._ball is not None:
        return Interval.of_ball(interval.centre * factor, interval.radius * abs(factor))
    scaled = interval.lower * factor, interval.upper * factor
    return Interval(*scaled) if factor >= 0 else Interval(*reversed(scaled))


@rule(torch.reciprocal, Tensor.reciprocal)
def reciprocal(input: Interval) -> Interval:
    """1 / x, of intervals that do not contain 0."""
    if not bool(((input.lower > 0) | (input.upper < 0)).all()):
        raise BoundError("a divisor's interval must not contain 0; found one that does: its quotient has no bounds")
    return Interval(input.upper.reciprocal(), input.lower.reciprocal())


@rule(torch.div, Tensor.div, Tensor.__truediv__, torch.divide, torch.true_divide, Tensor.true_divide)
def divide(input: Any, other: Any) -> Interval:
    """The quotient."""
    if isinstance(other, Interval):
        return multiply(input, reciprocal(other))
    return multiply(input, other.reciprocal() if isinstance(other, Tensor) else 1 / other)


@rule(Tensor.__rtruediv__, Tensor.__rdiv__)
def _divide_from(input: Any, other: Any) -> Interval:
    return divide(other, input)


@rule(torch.rsqrt, Tensor.rsqrt)
def _rsqrt(input: Interval) -> Interval:
    return Interval(input.upper.rsqrt(), input.lower.rsqrt())


@rule(torch.pow, Tensor.pow, Tensor.__pow__)
def power(input: Any, exponent: Any) -> Interval:
    """Of constant exponents: any whole one, and fractions where the base is not negative."""
    if not isinstance(exponent, int | float):
        raise BoundError(f"an interval's exponent must be a number; found {type(exponent).__name__}")
    if exponent < 0:
        return reciprocal(power(input, -exponent))
    if exponent == int(exponent) and int(exponent) % 2 == 0:
        return valley(lambda x: x**exponent, input, lowest=0.0)
    if exponent != int(exponent) and bool((input.lower < 0).any()):
        raise BoundError(f"a fractional power needs a base >= 0; found one that may be negative, to {exponent}")
    return Interval(input.lower**exponent, input.upper**exponent)


def _pairwise(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Any, Any], Interval]:
    """Of a function that rises in both of its operands."""

    def apply(input: Any, other: Any) -> Interval:
        pairs = [x.bounds if isinstance(x, Interval) else (x, x) for x in (input, other)]
        return Interval(*(function(a, b) for a, b in zip(*pairs, strict=True)))

    return apply


rule(torch.maximum, Tensor.maximum)(_pairwise(torch.maximum))
rule(torch.minimum, Tensor.minimum)(_pairwise(torch.minimum))


def _register_in_place(functions: list[Any], rule_: Callable[..., Interval]) -> None:
    @rule(*functions)
    def apply(input: Any, *args: Any, **kwargs: Any) -> Interval:
        if not isinstance(input, Interval):
            raise BoundError(
                "an ordinary tensor cannot take an interval in place: write it out of place, as x = x + ..."
            )
        return input.overwrite(rule_(input, *args, **kwargs))


_register_in_place([Tensor.add_, Tensor.__iadd__], add)
_register_in_place([Tensor.sub_, Tensor.__isub__], subtract)
_register_in_place([Tensor.mul_, Tensor.__imul__], multiply)
_register_in_place([Tensor.div_, Tensor.__itruediv__], divide)
_register_in_place([Tensor.neg_], negate)
