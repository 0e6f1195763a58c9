"""Rules of linear and bilinear functions: |W x - W c| <= |W| r for |x - c| <= r, which is exact."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.tensor import AffineMap, Interval, rule

Product = Callable[[Tensor, Tensor], Tensor]


def bilinear(product: Product, a: Tensor, b: Tensor) -> Interval:
    """Bounds of a bilinear function of two operands, of which one or both are intervals.

    With one interval |f(x, W) - f(c, W)| <= f(r, |W|). With two, Rump's rule: the radius is
    f(|c_a|, r_b) + f(r_a, |c_b| + r_b), which is sound and at most 1.5 times too wide.

    Example:
        >>> x = Interval.of_ball(torch.tensor([[1.0, 1.0]]), torch.tensor([[0.5, 0.0]]))
        >>> bilinear(torch.matmul, x, torch.tensor([[2.0], [-1.0]]))
        Interval(lower=tensor([[0.]]), upper=tensor([[2.]]))
    """
    if isinstance(a, Interval) and isinstance(b, Interval):
        radius = product(a.centre.abs(), b.radius) + product(a.radius, b.centre.abs() + b.radius)
        return Interval.of_ball(product(a.centre, b.centre), radius)
    if isinstance(a, Interval):
        return Interval.of_ball(product(a.centre, b), product(a.radius, _size(b)))
    assert isinstance(b, Interval)
    return Interval.of_ball(product(a, b.centre), product(_size(a), b.radius))


def _size(factor: Tensor) -> Tensor:
    """|factor|; masks, which have no absolute value, as they are."""
    return factor if factor.dtype == torch.bool else factor.abs()


@rule(functional.linear)
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not isinstance(input, Interval) or isinstance(weight, Interval) or isinstance(bias, Interval):
        found = bilinear(functional.linear, input, weight)
        return found if bias is None else found + bias
    centre, radius = input.ball
    found = Interval.of_ball(functional.linear(centre, weight, bias), functional.linear(radius, weight.abs()))
    found.affine_of = AffineMap(input, weight, bias)
    return found


def _convolution(function: Callable[..., Tensor]) -> None:
    @rule(function)
    def convolution(input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Interval) or isinstance(weight, Interval) or isinstance(bias, Interval):
            found = bilinear(lambda x, w: function(x, w, None, *args, **kwargs), input, weight)
            return found if bias is None else found + bias.view(-1, *[1] * (weight.dim() - 2))
        centre, radius = input.ball
        return Interval.of_ball(
            function(centre, weight, bias, *args, **kwargs), function(radius, weight.abs(), None, *args, **kwargs)
        )


for _function in (
    *(torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d),
):
    _convolution(_function)


@rule(torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm, Tensor.mm, torch.bmm, Tensor.bmm)
def _matmul(input: Tensor, other: Tensor) -> Interval:
    return bilinear(torch.matmul, input, other)


@rule(Tensor.__rmatmul__)
def _rmatmul(input: Tensor, other: Tensor) -> Interval:
    return bilinear(torch.matmul, other, input)


@rule(torch.addmm, Tensor.addmm, torch.baddbmm, Tensor.baddbmm)
def _addmm(input: Tensor, a: Tensor, b: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return beta * input + alpha * torch.matmul(a, b)


@rule(torch.einsum)
def _einsum(equation: str, *operands: Any) -> Tensor:
    given = operands[0] if isinstance(operands[0], list | tuple) else operands
    if len(given) == 1:
        return given[0].mapped(lambda x: torch.einsum(equation, x))  # type: ignore[no-any-return]
    a, b = given
    return bilinear(lambda x, y: torch.einsum(equation, x, y), a, b)


@rule(functional.bilinear)
def _bilinear(a: Tensor, b: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    products = a.unsqueeze(-1) * b.unsqueeze(-2)
    return functional.linear(products.flatten(-2), weight.flatten(1), bias)
