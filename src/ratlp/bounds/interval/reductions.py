"""Rules of sums, means, norms and largest values over axes, and of pooling."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.registration import register_mapped, register_rising, rising
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.errors import BoundError

_AVERAGES: tuple[Any, ...] = (
    *(functional.avg_pool1d, functional.adaptive_avg_pool1d),
    *(functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
)
_RISING: tuple[Any, ...] = (
    *(torch.amax, Tensor.amax, torch.amin, Tensor.amin, torch.logsumexp, Tensor.logsumexp),
    *(functional.adaptive_max_pool1d, functional.adaptive_max_pool2d, functional.adaptive_max_pool3d),
    *(functional.max_pool1d, functional.max_pool2d, functional.max_pool3d),
    *(torch.max_pool1d, torch.max_pool2d, torch.max_pool3d),
)

register_mapped(_AVERAGES)
register_rising(_RISING)


def _summing(function: Callable[..., Tensor], *also: Any) -> None:
    @interval_rule(function, *also)
    def apply(input: Interval, *args: Any, dtype: torch.dtype | None = None, **kwargs: Any) -> Interval:
        """Converted first, as torch does it: whole numbers, which would cut off the radius, are refused there."""
        given = input if dtype is None else input.to(dtype)
        return given.mapped(lambda x: function(x, *args, **kwargs))  # type: ignore[attr-defined,no-any-return]


_summing(torch.sum, Tensor.sum)
_summing(torch.mean, Tensor.mean)
_summing(torch.cumsum, Tensor.cumsum)


def _average_pool(function: Callable[..., Tensor]) -> None:
    @interval_rule(function)
    def pool(
        input: Interval,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Interval:
        if divisor_override is not None and divisor_override < 0:
            raise BoundError(f"a pool's divisor must be > 0 for interval bounds; found {divisor_override}")
        options = padding, ceil_mode, count_include_pad, divisor_override
        return input.mapped(lambda x: function(x, kernel_size, stride, *options))


_average_pool(functional.avg_pool2d)
_average_pool(functional.avg_pool3d)


@interval_rule(functional.interpolate)
def _interpolate(input: Interval, *args: Any, **kwargs: Any) -> Interval:
    """With a kernel that is nowhere negative: nearest, area, and the linear ones; bicubic has no rule."""
    mode = kwargs.get("mode", args[2] if len(args) > 2 else "nearest")
    if mode not in ("nearest", "nearest-exact", "area", "linear", "bilinear", "trilinear"):
        raise BoundError(f"interpolate has an interval rule for kernels >= 0; found mode={mode!r}: use 'bilinear'")
    return input.mapped(lambda x: functional.interpolate(x, *args, **kwargs))


@interval_rule(torch.linalg.vector_norm)
def _vector_norm(x: Interval, *args: Any, **kwargs: Any) -> Interval:
    """It rises in every absolute value, whatever the order."""
    return rising(torch.linalg.vector_norm, torch.abs(x), *args, **kwargs)  # type: ignore[arg-type]


@interval_rule(torch.norm, Tensor.norm)
def _norm(
    input: Interval, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: None = None, dtype: Any = None
) -> Any:
    if p == "nuc":
        raise BoundError("norm has an interval rule for vector norms and the Frobenius norm; found p='nuc'")
    order = 2 if p in ("fro", None) else p
    return torch.linalg.vector_norm(input, order, dim, keepdim, dtype=dtype)
