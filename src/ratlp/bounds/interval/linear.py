"""Rules of linear and bilinear functions: |W x - W c| <= |W| r for |x - c| <= r, which is exact."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import AffineMap, Interval
from ratlp.errors import BoundError

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
        b = floating(b, a.dtype)
        return Interval.of_ball(product(a.centre, b), product(a.radius, _size(b)))
    assert isinstance(b, Interval)
    a = floating(a, b.dtype)
    return Interval.of_ball(product(a, b.centre), product(_size(a), b.radius))


def floating(operand: Tensor, dtype: torch.dtype) -> Tensor:
    """Whole numbers as what they become beside an interval: as such, their negatives and absolute values may wrap.

    Example:
        >>> -floating(torch.tensor([1], dtype=torch.uint8), torch.float32)
        tensor([-1.])
    """
    is_whole = not (operand.is_floating_point() or operand.is_complex() or operand.dtype == torch.bool)
    return operand.to(dtype) if is_whole else operand


def _size(factor: Tensor) -> Tensor:
    """|factor|; masks, which have no absolute value, as they are."""
    return factor if factor.dtype == torch.bool else factor.abs()


@interval_rule(functional.linear, anywhere=True)
def _linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if not isinstance(input, Interval) or isinstance(weight, Interval) or isinstance(bias, Interval):
        found = bilinear(functional.linear, input, weight)
        return found if bias is None else found + bias
    centre, radius = input.ball
    found = Interval.of_ball(functional.linear(centre, weight, bias), functional.linear(radius, weight.abs()))
    found.affine_of = AffineMap(weight, radius)
    return found


def _convolution(function: Callable[..., Tensor]) -> None:
    @interval_rule(function, anywhere=True)
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


def _product(*functions: Any) -> None:
    @interval_rule(*functions, anywhere=True)
    def product(input: Tensor, other: Tensor) -> Interval:
        return bilinear(functions[0], input, other)


_product(torch.matmul, Tensor.matmul, Tensor.__matmul__)
_product(torch.mm, Tensor.mm)
_product(torch.bmm, Tensor.bmm)


@interval_rule(torch.mv, Tensor.mv, anywhere=True)
def _mv(input: Tensor, vec: Tensor) -> Interval:
    return bilinear(torch.mv, input, vec)


@interval_rule(torch.dot, Tensor.dot, torch.inner, Tensor.inner, anywhere=True)
def _inner(input: Tensor, other: Tensor) -> Interval:
    return bilinear(torch.inner, input, other)


@interval_rule(torch.outer, Tensor.outer, anywhere=True)
def _outer(input: Tensor, vec2: Tensor) -> Interval:
    return bilinear(torch.outer, input, vec2)


@interval_rule(Tensor.__rmatmul__, anywhere=True)
def _rmatmul(input: Tensor, other: Tensor) -> Interval:
    return bilinear(torch.matmul, other, input)


@interval_rule(torch.addmm, Tensor.addmm, anywhere=True)
def _addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return beta * input + alpha * torch.matmul(mat1, mat2)


@interval_rule(torch.baddbmm, Tensor.baddbmm, anywhere=True)
def _baddbmm(input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    return beta * input + alpha * torch.matmul(batch1, batch2)


@interval_rule(torch.einsum, anywhere=True)
def _einsum(equation: str, *operands: Any) -> Tensor:
    given = operands[0] if isinstance(operands[0], list | tuple) else operands
    if len(given) == 1:
        view: Interval = given[0].mapped(lambda x: torch.einsum(equation, x))  # where nothing is summed
        return given[0].share(view)  # type: ignore[no-any-return]
    if len(given) != 2 or not isinstance(equation, str):
        raise BoundError(
            f"einsum has an interval rule for an equation of one or two operands; found {len(given)}: multiply in pairs"
        )
    return bilinear(lambda x, y: torch.einsum(equation, x, y), *given)


@interval_rule(functional.bilinear, anywhere=True)
def _bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    products = input1.unsqueeze(-1) * input2.unsqueeze(-2)
    return functional.linear(products.flatten(-2), weight.flatten(1), bias)
