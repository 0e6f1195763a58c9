"""How bounds are rounded: in float64, and to the safe side."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import TypeVar

import torch
from torch import Tensor

UNIT = torch.finfo(torch.float64).eps
"""The unit in the last place of 1."""

Value = TypeVar("Value", float, Tensor)


def in_float64(tensor: Tensor) -> Tensor:
    """The tensor in float64, without its graph; on the CPU where its own device has no float64.

    Example:
        >>> in_float64(torch.ones(2, requires_grad=True))
        tensor([1., 1.], dtype=torch.float64)
    """
    detached = tensor.detach()
    return (detached.cpu() if detached.device.type == "mps" else detached).to(torch.float64)


def rounded_up(value: Value, operations: int) -> Value:
    """At least the exact value, or values, that `value` approximates after so many float64 operations on terms >= 0.

    Each operation is off by at most half a unit in the last place; the factor allows a whole one and more.

    Example:
        >>> 1.0 < rounded_up(1.0, 100) < 1.0 + 1e-12
        True
    """
    return value * (1 + (operations + 4) * UNIT)


def product_up(a: float, b: float) -> float:
    """The product, rounded up: the smallest float that is no less.

    Example:
        >>> product_up(0.5, 0.5), product_up(0.1, 0.1) >= 0.1 * 0.1
        (0.25, True)
    """
    return _up(a * b, lambda: Fraction(a) * Fraction(b))


def sum_up(*terms: float) -> float:
    """The sum, rounded up: the smallest float that is no less, or the one after.

    Example:
        >>> sum_up(0.5, 0.25)
        0.75
    """
    return _up(math.fsum(terms), lambda: sum(map(Fraction, terms), Fraction(0)))


def _up(value: float, exact: Callable[[], Fraction]) -> float:
    return value if not math.isfinite(value) or Fraction(value) >= exact() else math.nextafter(value, math.inf)
