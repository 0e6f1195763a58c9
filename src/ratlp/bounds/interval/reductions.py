"""Rules of sums, means and largest values over axes, and of pooling."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.tensor import Interval, rule
from ratlp.errors import BoundError

# Sums with factors >= 0 and without a constant: the centre goes to the centre, the radius to the radius.
_AVERAGES: tuple[Any, ...] = (
    *(torch.sum, Tensor.sum, torch.mean, Tensor.mean),
    *(functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
)
_LARGEST: tuple[Any, ...] = (
    *(torch.amax, Tensor.amax, torch.amin, Tensor.amin, torch.logsumexp, Tensor.logsumexp),
    *(functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    *(functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d),
    *(torch.max_pool1d, torch.max_pool2d, torch.max_pool3d),
)


def _average(function: Callable[..., Tensor]) -> None:
    rule(function)(lambda input, *args, **kwargs: input.mapped(lambda x: function(x, *args, **kwargs)))


def _largest(function: Callable[..., Tensor]) -> None:
    @rule(function)
    def apply(input: Interval, *args: Any, **kwargs: Any) -> Interval:
        return Interval(*(function(x, *args, **kwargs) for x in input.bounds))


for _function in _AVERAGES:
    _average(_function)
for _function in _LARGEST:
    _largest(_function)


def _extreme(function: Any, pair: Any, kind: Any) -> Callable[..., Any]:
    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        other = args[0] if args else kwargs.get("other", kwargs.get("dim"))
        if isinstance(other, Tensor):
            return pair(input, other)
        lower, upper = (function(x, *args, **kwargs) for x in input.bounds)
        if other is None:
            return Interval(lower, upper)
        # There is no one index at which the extreme lies.
        return kind((Interval(lower.values, upper.values), lower.indices))

    return apply


rule(torch.max, Tensor.max)(_extreme(torch.max, torch.maximum, torch.return_types.max))
rule(torch.min, Tensor.min)(_extreme(torch.min, torch.minimum, torch.return_types.min))


@rule(functional.interpolate)
def _interpolate(input: Interval, *args: Any, **kwargs: Any) -> Interval:
    """With a kernel that is nowhere negative: nearest, area, and the linear ones; bicubic has no rule."""
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "nearest")
    if mode == "bicubic":
        raise BoundError("interpolate has an interval rule for kernels >= 0; found mode='bicubic': use 'bilinear'")
    return input.mapped(lambda x: functional.interpolate(x, *args, **kwargs))
