"""Ways to call a function on one or two operands, `[3, 4]` each: intervals, or points of them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Call = Callable[..., Any]

MATRIX = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.3, -0.7], [-1.5, 1.0, 2.0], [0.4, -0.1, 0.0]], dtype=torch.float64)
SIGNED = torch.tensor([[1.5, -0.5, 0.0, -2.0]] * 3, dtype=torch.float64)
VECTOR = torch.tensor([0.5, -1.5, 0.0, 2.0], dtype=torch.float64)
MASK = torch.tensor([[True, False, True, False], [False] * 4, [True, True, False, False]])
INDEX = torch.tensor([[0, 2, 1, 1], [3, 0, 0, 2], [1, 1, 3, 3]])
PROJECTION = torch.arange(16, dtype=torch.float64).view(4, 4).sin()


def same(names: tuple[str, ...], calls: list[Call]) -> dict[str, list[Call]]:
    """The same calls for several functions."""
    return dict.fromkeys(names, calls)


def options(*given: Any, **named: Any) -> Call:
    """The function of the first operand with these arguments."""
    return lambda f, x, y: f(x, *given, **named)


def shaped(*shape: int, given: tuple[Any, ...] = (), **named: Any) -> Call:
    """The function of the first operand in another shape, 12 numbers in all."""
    return lambda f, x, y: f(x.reshape(*shape), *given, **named)


def weights(*shape: int) -> Tensor:
    """Numbers of both signs."""
    count = torch.Size(shape).numel()
    return torch.linspace(-1.0, 1.3, count, dtype=torch.float64).mul(7).sin().view(shape)


def in_place(*given: Any) -> Call:
    """On a copy, whose value after it is what counts."""

    def call(f: Any, x: Any, y: Any) -> Any:
        copy = x.clone()
        f(copy, *(y if value is OTHER else value for value in given))
        return copy

    return call


OTHER = object()
PLAIN = options()


def both(**named: Any) -> Call:
    """The function of both operands."""
    return lambda f, x, y: f(x, y, **named)


POSITIVE: Call = lambda f, x, y: f(x * x + 0.5)  # noqa: E731
BOTH = both()
WITH_TENSOR = options(SIGNED)


def two(*more: Call) -> list[Call]:
    """Of two operands: intervals, a tensor of many, an interval first or second, a number."""
    return [BOTH, WITH_TENSOR, lambda f, x, y: f(SIGNED, x), lambda f, x, y: f(x, VECTOR), *more]


NUMBERS = [options(-1.7), options(2), options(0)]
AWAY: Call = lambda f, x, y: f(x, y * y + 0.5)  # noqa: E731
DIVISIONS: list[Call] = [AWAY, options(SIGNED + 0.25), options(-4), lambda f, x, y: f(SIGNED, y * y + 0.5)]
