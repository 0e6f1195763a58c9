"""Rules of normalisations: with given statistics an affine map, with the sample's own a quotient bounded as one."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.batch_statistics import next_statistics
from ratlp.bounds.interval.elementwise import nearest
from ratlp.bounds.interval.others import before_and_after
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError


@interval_rule(functional.batch_norm)
def batch_norm(
    input: Interval,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Interval:
    """An affine map for each channel.

    In evaluation with the running statistics. In training with those of the clean batch, as recorded by
    `BatchStatistics` (as in Shi et al., arXiv 2103.17268): the box then contains the clean latents.
    """
    if training:
        mean, variance = next_statistics(input.shape[1])
    elif running_mean is not None and running_var is not None:
        mean, variance = running_mean, running_var
    else:
        raise BoundError("batch_norm needs running statistics in evaluation; found none")
    return _channelwise(input, *scale_and_shift(mean, variance + eps, weight, bias))


@interval_rule(torch.batch_norm)
def _torch_batch_norm(
    input: Interval,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Interval:
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def scale_and_shift(
    mean: Tensor, variance: Tensor, weight: Tensor | None = None, bias: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Of each channel: (x - mean) / sqrt(variance) * weight + bias = scale * x + shift.

    Example:
        >>> scale_and_shift(torch.tensor([1.0]), torch.tensor([4.0]))
        (tensor([0.5000]), tensor([-0.5000]))
    """
    scale = variance.rsqrt() if weight is None else variance.rsqrt() * weight
    return scale, -mean * scale if bias is None else bias - mean * scale


def _channelwise(input: Interval, scale: Tensor, shift: Tensor) -> Interval:
    shape = (-1, *[1] * (input.dim() - 2))
    scale, shift = (part.to(input.dtype).view(shape) for part in (scale, shift))
    return Interval.of_ball(torch.addcmul(shift, input.centre, scale), input.radius * scale.abs())


@interval_rule(functional.layer_norm, torch.layer_norm)
def _layer_norm(
    input: Interval,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_over_length(_centred(input, axes), axes, _root_mean(input, axes, eps)), weight, bias)


@interval_rule(functional.rms_norm, torch.rms_norm)
def _rms_norm(
    input: Interval, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    if eps is None:  # as torch, which computes halves in float32
        eps = torch.finfo(torch.float64 if input.dtype == torch.float64 else torch.float32).eps
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_over_length(input, axes, _root_mean(input, axes, eps)), weight, None)


@interval_rule(functional.group_norm, torch.group_norm)
def _group_norm(
    input: Interval,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    size = math.prod(input.shape[1:]) // num_groups
    groups = input.mapped(lambda x: x.reshape(x.shape[0], num_groups, size))
    normal = _over_length(_centred(groups, (-1,)), (-1,), _root_mean(groups, (-1,), eps))
    shape = (-1, *[1] * (input.dim() - 2))
    return _affine(
        normal.reshape(input.shape), *(None if part is None else part.view(shape) for part in (weight, bias))
    )


@interval_rule(functional.instance_norm)
def _instance_norm(
    input: Interval,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    if not use_input_stats and running_mean is not None and running_var is not None:
        return _channelwise(input, *scale_and_shift(running_mean, running_var + eps, weight, bias))
    return functional.group_norm(input, input.shape[1], weight, bias, eps)


@interval_rule(functional.normalize)
def _normalize(input: Interval, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: None = None) -> Tensor:
    """It rises in x_i and falls in the absolute values of the others."""
    if p != 2 or not isinstance(dim, int):
        raise BoundError(f"normalize has an interval rule for p=2 and one dim; found p={p}, dim={dim}")
    found = _over_length(
        input.mapped(lambda x: x.movedim(dim, -1)), (-1,), lambda squares: squares.sqrt().clamp(min=eps)
    )
    return found.mapped(lambda x: x.movedim(-1, dim))


@interval_rule(torch.var, Tensor.var)
def _var(
    input: Interval, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *, correction: float | None = None
) -> Tensor:
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    axes = tuple(range(input.dim())) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    count = math.prod(input.shape[axis] for axis in axes) - (int(unbiased) if correction is None else correction)
    return _centred(input, axes).square().sum(axes, keepdim) / max(count, 0)


@interval_rule(torch.std, Tensor.std)
def _std(input: Interval, *args: Any, **kwargs: Any) -> Tensor:
    return _var(input, *args, **kwargs).sqrt()


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _centred(x: Interval, axes: tuple[int, ...]) -> Interval:
    """X - mean(x), exactly: the coordinate's own radius counts (1 - 1/n) times, each other's 1/n times."""
    n = math.prod(x.shape[axis] for axis in axes)
    centre, radius = x.ball
    others = radius.sum(axes, keepdim=True) - radius
    return Interval.of_ball(centre - centre.mean(axes, keepdim=True), (1 - 1 / n) * radius + others / n)


def _root_mean(x: Tensor, axes: tuple[int, ...], eps: float) -> Callable[[Tensor], Tensor]:
    n = math.prod(x.shape[axis] for axis in axes)
    return lambda squares: (squares / n + eps).sqrt()


def _over_length(x: Interval, axes: tuple[int, ...], length: Callable[[Tensor], Tensor]) -> Interval:
    """x_i / length(sum of x_j^2), for a length that grows at most as the root of the sum.

    It rises in x_i. With the squares of the others anywhere between their bounds, independent of each other, the
    ends are reached at an end of x_i and at the smallest or largest sum of the others' squares, whichever takes the
    quotient further out.
    """
    lower, upper = x.bounds
    smallest = nearest(x, 0.0).square()
    largest = torch.maximum(lower.abs(), upper.abs()).square()
    fewest, most = (_sum_of_others(squares, axes) for squares in (smallest, largest))

    def quotient(end: Tensor, others: Tensor) -> Tensor:
        return end / length(end.square() + others)

    return Interval(
        torch.where(lower < 0, quotient(lower, fewest), quotient(lower, most)),
        torch.where(upper > 0, quotient(upper, fewest), quotient(upper, most)),
    )


def _sum_of_others(squares: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Over j != i."""
    flat = squares.flatten(squares.dim() + min(axes))
    before, after = before_and_after(lambda x: x.cumsum(-1), flat, nothing=0.0)
    return (before + after).view(squares.shape)
