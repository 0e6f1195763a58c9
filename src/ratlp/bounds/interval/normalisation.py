"""Rules of normalisations: with given statistics an affine map, with the sample's own a quotient bounded as one."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.batch_statistics import next_statistics
from ratlp.bounds.interval.tensor import Interval, rule
from ratlp.errors import BoundError


@rule(functional.batch_norm, torch.batch_norm)
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
    scale = (variance + eps).rsqrt() * (1 if weight is None else weight)
    shift = -mean * scale if bias is None else bias - mean * scale
    shape = (-1, *[1] * (input.dim() - 2))
    scale, shift = scale.view(shape), shift.view(shape)
    return Interval.of_ball(torch.addcmul(shift, input.centre, scale), input.radius * scale.abs())


@rule(functional.layer_norm, torch.layer_norm)
def _layer_norm(
    input: Interval,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Tensor:
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_over_length(_centred(input, axes), axes, eps), weight, bias)


@rule(functional.rms_norm, torch.rms_norm)
def _rms_norm(
    input: Interval, normalized_shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None
) -> Tensor:
    eps = torch.finfo(input.dtype).eps if eps is None else eps
    axes = tuple(range(-len(normalized_shape), 0))
    return _affine(_over_length(input, axes, eps), weight, None)


@rule(functional.group_norm, torch.group_norm)
def _group_norm(
    input: Interval,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
    cudnn_enabled: bool = True,
) -> Tensor:
    groups = input.mapped(lambda x: x.reshape(x.shape[0], num_groups, -1))
    normal = _over_length(_centred(groups, (-1,)), (-1,), eps).mapped(lambda x: x.reshape(input.shape))
    shape = (-1, *[1] * (input.dim() - 2))
    return _affine(normal, *(None if part is None else part.view(shape) for part in (weight, bias)))


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    x = x if weight is None else x * weight
    return x if bias is None else x + bias


def _centred(x: Interval, axes: tuple[int, ...]) -> Interval:
    """X - mean(x), exactly: the coordinate's own radius counts (1 - 1/n) times, each other's 1/n times."""
    n = math.prod(x.shape[axis] for axis in axes)
    centre, radius = x.ball
    others = radius.sum(axes, keepdim=True) - radius
    return Interval.of_ball(centre - centre.mean(axes, keepdim=True), (1 - 1 / n) * radius + others / n)


def _over_length(x: Interval, axes: tuple[int, ...], eps: float) -> Interval:
    """x_i / sqrt(mean of x_j^2 + eps).

    It rises in x_i. With the squares of the others anywhere between their bounds, independent of each other, the
    ends are reached at an end of x_i and at the smallest or largest sum of the others' squares, whichever takes the
    quotient further out.
    """
    n = math.prod(x.shape[axis] for axis in axes)
    lower, upper = x.bounds
    smallest = torch.zeros_like(lower).clamp(lower, upper).square()
    largest = torch.maximum(lower.abs(), upper.abs()).square()
    fewest, most = (_sum_of_others(squares, axes) for squares in (smallest, largest))

    def quotient(end: Tensor, others: Tensor) -> Tensor:
        return end / ((end.square() + others) / n + eps).sqrt()

    return Interval(
        torch.where(lower < 0, quotient(lower, fewest), quotient(lower, most)),
        torch.where(upper > 0, quotient(upper, fewest), quotient(upper, most)),
    )


def _sum_of_others(squares: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Over j != i; without cancellation, as the sum of what comes before and what comes after."""
    first = squares.dim() + min(axes)
    flat = squares.flatten(first)
    nothing = torch.zeros_like(flat[..., :1])
    before = torch.cat([nothing, flat.cumsum(-1)[..., :-1]], -1)
    after = torch.cat([flat.flip(-1).cumsum(-1).flip(-1)[..., 1:], nothing], -1)
    return (before + after).view(squares.shape)


def _excluding(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """A running function over the last axis, of what comes before each coordinate and of what comes after it."""
    nothing = torch.full_like(x[..., :1], -math.inf)
    before = torch.cat([nothing, function(x)[..., :-1]], -1)
    after = torch.cat([function(x.flip(-1)).flip(-1)[..., 1:], nothing], -1)
    return before, after


@rule(functional.softmax, torch.softmax, Tensor.softmax)
def softmax(input: Interval, dim: int = -1, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Interval:
    """p_i rises in its own logit and falls in every other one, so both ends are reached."""
    return Interval(*(x.exp() for x in log_softmax(input, dim, _stacklevel, dtype).bounds))


@rule(functional.log_softmax, torch.log_softmax, Tensor.log_softmax)
def log_softmax(input: Interval, dim: int = -1, _stacklevel: int = 3, dtype: torch.dtype | None = None) -> Interval:
    """-log(1 + exp(log sum over j != i of exp(x_j) - x_i)), at both ends."""
    lower, upper = (x.to(dtype or x.dtype).movedim(dim, -1) for x in input.bounds)

    def value(own: Tensor, others: Tensor) -> Tensor:
        before, after = _excluding(lambda x: torch.logcumsumexp(x, -1), others)
        return functional.logsigmoid(own - torch.logaddexp(before, after))

    return Interval(value(lower, upper).movedim(-1, dim), value(upper, lower).movedim(-1, dim))


@rule(functional.scaled_dot_product_attention)
def _attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """As in its definition: softmax(q k^T scale + mask) v."""
    if enable_gqa:
        groups = query.shape[-3] // key.shape[-3]
        key, value = (x.repeat_interleave(groups, -3) for x in (key, value))
    scores = torch.matmul(query, key.transpose(-2, -1)) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if is_causal:
        attn_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return torch.matmul(functional.dropout(functional.softmax(scores, -1), dropout_p), value)
