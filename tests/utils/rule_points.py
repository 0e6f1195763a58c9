"""Points of boxes, at random and climbed to, that hold a rule's bounds against the values of its function."""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from utils.rule_calls import Call

from ratlp.bounds import Interval
from ratlp.bounds.interval.order import UndeterminedIndices

STRIDES = (1.0, 0.5, 0.25, 0.12, 0.05, 0.02)
"""Of a climb, as shares of the box: one to a corner, then ever shorter ones, to come near what lies between."""


def boxes(seed: int, width: float) -> tuple[Interval, Interval]:
    """Two boxes `[3, 4]`, of sides up to twice the width; one side of each is a point."""
    generator = torch.Generator().manual_seed(seed)

    def box() -> Interval:
        centre, radius = torch.randn(3, 4, generator=generator), width * torch.rand(3, 4, generator=generator)
        radius[0, 0] = 0.0
        return Interval(centre.double() - radius.double(), centre.double() + radius.double())

    return box(), box()


def leaves(output: object) -> list[Tensor]:
    """What a call returned in floating point."""
    found = [leaf for leaf in tree_leaves(output) if isinstance(leaf, Tensor)]
    return [leaf for leaf in found if type(leaf) is not UndeterminedIndices and leaf.is_floating_point()]


def points(box: Interval, count: int, generator: torch.Generator) -> Tensor:
    """Uniform ones, vertices, and mixtures of both: `[count, *shape]`."""
    shape = (count, *box.shape)
    uniform = torch.rand(shape, generator=generator, dtype=box.dtype)
    vertices = (uniform > 0.5).double()
    shares = torch.tensor([0.0, 0.5, 1.0]).repeat(count)[:count].view(-1, *[1] * box.dim())
    keep = torch.rand(shape, generator=generator) < shares
    return box.lower + torch.where(keep, uniform, vertices) * (box.upper - box.lower)


def values_at(function: Callable[..., Any], call: Call, x: Tensor, y: Tensor) -> list[Tensor]:
    """The function's values at points, `[count, *shape]`: in one call, or where torch cannot, in one for each."""

    def at_one(*point: Tensor) -> list[Tensor]:
        return leaves(call(function, *point))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that some functions are mapped slowly
        try:
            return list(torch.vmap(at_one, randomness="different")(x, y))
        except (RuntimeError, ValueError):
            pass
    return [torch.stack(values) for values in zip(*map(at_one, x, y), strict=True)]


def excess_at(bounds: list[Tensor], values: list[Tensor]) -> float:
    """How far values leave bounds, relative to their size."""
    worst = 0.0
    assert len(values) == len(bounds)
    for bound, value in zip(bounds, values, strict=True):
        assert (bound.shape, bound.dtype) == (value.shape[1:], value.dtype)
        if isinstance(bound, Interval):
            outside = torch.maximum(bound.lower - value, value - bound.upper)
            worst = max(worst, float((outside / (1 + value.abs())).nan_to_num(nan=torch.inf).max()))
    return worst


def random_excess(function: Callable[..., Any], call: Call, count: int, *, width: float, seed: int = 0) -> float:
    """How far the function's values at random points leave its rule's bounds."""
    x, y = boxes(seed, width)
    bounds = leaves(call(function, x, y))
    assert any(isinstance(bound, Interval) for bound in bounds)
    generator = torch.Generator().manual_seed(seed + 1)
    return excess_at(bounds, values_at(function, call, points(x, count, generator), points(y, count, generator)))


def climbed_excess(function: Callable[..., Any], call: Call, climbs: int, *, width: float, seed: int = 0) -> float:
    """The same at what sign steps along the gradient come by: `len(STRIDES) + 1` points a climb.

    The climbs go up and down each coordinate of the output in turn; where it has no gradient, none is made.
    """
    operands = boxes(seed, width)
    bounds, worst = leaves(call(function, *operands)), 0.0
    generator = torch.Generator().manual_seed(seed + 2)
    at = [points(operand, climbs, generator) for operand in operands]
    for stride in (*STRIDES, None):
        values = values_at(function, call, *(place.requires_grad_() for place in at))
        worst = max(worst, excess_at(bounds, [value.detach() for value in values]))
        rising = [value.reshape(climbs, -1).double() for value in values if value.requires_grad]
        if not rising or stride is None:
            break
        outputs, number = torch.cat(rising, 1), torch.arange(climbs)
        chosen = outputs[number, number // 2 % outputs.shape[1]] * (1 - 2 * (number % 2))
        gradients = torch.autograd.grad(chosen.sum(), at, allow_unused=True, materialize_grads=True)
        moved = zip(at, gradients, operands, strict=True)
        at = [_stepped(place.detach(), gradient, stride, box) for place, gradient, box in moved]
    return worst


def _stepped(place: Tensor, gradient: Tensor, stride: float, box: Interval) -> Tensor:
    return torch.clamp(place + stride * (box.upper - box.lower) * gradient.nan_to_num().sign(), *box.bounds)


def box_of(shape) -> Interval:
    torch.manual_seed(0)
    x = torch.randn(*shape, dtype=torch.float64)
    radius = torch.rand_like(x)
    return Interval(x - radius, x + radius)


def check_inside(function, box: Interval) -> Interval:
    """The function's bounds, which random points and the vertices that lead the first outputs up must keep."""
    bounds, centre = function(box), box.centre.clone().requires_grad_()
    outputs = function(centre).flatten()
    uphill = [torch.autograd.grad(output, centre, retain_graph=True)[0].sign() for output in outputs[:20]]
    places = torch.cat(
        [points(box, 60, torch.Generator().manual_seed(0)), box.centre + torch.stack(uphill) * box.radius]
    )
    values = torch.vmap(function)(places.detach())
    assert values.shape[1:] == bounds.shape
    assert ((values >= bounds.lower - 1e-9) & (values <= bounds.upper + 1e-9)).all()
    return bounds
