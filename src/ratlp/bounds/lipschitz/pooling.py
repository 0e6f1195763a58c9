r"""Pooling. Overlapping windows repeat a pixel: under L2 that costs, under L-inf it does not.

Average pooling is the Kronecker product of one small matrix per dimension, whose norms multiply.
"""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from ratlp.bounds.lipschitz.linear import spectral_norm
from ratlp.bounds.lipschitz.rules import Shape, lipschitz_rule, refused
from ratlp.bounds.rounding import rounded_up
from ratlp.perturbations import Norm

_AVERAGE = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_MAX = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_ADAPTIVE_AVERAGE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
_ADAPTIVE_MAX = (nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d, nn.AdaptiveMaxPool3d)


@lipschitz_rule(*_AVERAGE)
def average_pooling(module: Any, norm: Norm, shape: Shape | None = None) -> float:
    r"""1 under L-inf; under L2 the exact norm for an image size, or that for any size.

    Without a size, per dimension: sqrt(sum over r of n_r^2) / k, where n_r of the k taps fall on pixels that are r
    modulo the stride; 1 / sqrt(k) where windows do not overlap.

    Raises:
        BoundError: `divisor_override`; or under L2, without a size, `ceil_mode` or a count that leaves out the
            padding.

    Example:
        >>> average_pooling(nn.AvgPool2d(2), "linf"), round(average_pooling(nn.AvgPool2d(2), "l2"), 9)
        (1.0, 0.5)
        >>> round(average_pooling(nn.AvgPool1d(3, stride=1), "l2"), 9)
        1.0
    """
    if getattr(module, "divisor_override", None) is not None:
        raise refused(module, norm, "the rule is for averages; found divisor_override: leave it out")
    if norm == "linf":
        return 1.0
    dimensions = _dimensions(module)
    sizes = _sizes(shape, dimensions)
    windows = _windows(module, dimensions, ("kernel_size", "stride", "padding"))
    if sizes is not None:
        options = {"ceil_mode": module.ceil_mode, "count_include_pad": module.count_include_pad}
        pooled = (
            functional.avg_pool1d(_eye(n), k, s, p, **options) for n, (k, s, p) in zip(sizes, windows, strict=True)
        )
        return math.prod(map(spectral_norm, pooled))
    if module.ceil_mode or (not module.count_include_pad and any(p for _, _, p in windows)):
        raise refused(
            module, norm, "ceil_mode and count_include_pad=False divide by less at the border: give input_shape"
        )
    squares = (sum(count**2 for count in _taps_per_phase(k, s)) / k**2 for k, s, _ in windows)
    return rounded_up(math.sqrt(math.prod(squares)), 8)


@lipschitz_rule(*_MAX)
def max_pooling(module: Any, norm: Norm, shape: Shape | None = None) -> float:
    r"""1 under L-inf; under L2 sqrt(how many windows a pixel can lie in), ceil(k / stride) per dimension.

    max is 1-Lipschitz under L-inf, so a window moves by at most its largest change; the sum of their squares counts
    a pixel once for each window that it lies in. A pixel brighter than all others reaches it.

    Raises:
        BoundError: `return_indices`.

    Example:
        >>> max_pooling(nn.MaxPool2d(2), "l2"), round(max_pooling(nn.MaxPool2d(3, stride=2), "l2"), 9)
        (1.0, 2.0)
    """
    if module.return_indices:
        raise refused(module, norm, "it returns indices as well: build it with return_indices=False")
    if norm == "linf":
        return 1.0
    windows = _windows(module, _dimensions(module), ("kernel_size", "stride", "dilation"))
    repeats = math.prod(max(_taps_per_phase(k, s, d)) for k, s, d in windows)
    return 1.0 if repeats == 1 else rounded_up(math.sqrt(repeats), 1)


@lipschitz_rule(*_ADAPTIVE_AVERAGE)
def adaptive_average_pooling(module: Any, norm: Norm, shape: Shape | None = None) -> float:
    """1 under L-inf; under L2 the exact norm for an image size, 1 for a single output of any size.

    Example:
        >>> round(adaptive_average_pooling(nn.AdaptiveAvgPool2d(1), "l2"), 9)
        1.0
        >>> round(adaptive_average_pooling(nn.AdaptiveAvgPool2d(1), "l2", (1, 8, 5, 5)), 9)
        0.2
    """
    return 1.0 if norm == "linf" else math.prod(map(spectral_norm, _adaptive(module, norm, shape)))


@lipschitz_rule(*_ADAPTIVE_MAX)
def adaptive_max_pooling(module: Any, norm: Norm, shape: Shape | None = None) -> float:
    """1 under L-inf; under L2 sqrt(how many windows a pixel lies in), which needs an image size.

    Example:
        >>> adaptive_max_pooling(nn.AdaptiveMaxPool1d(2), "l2", (1, 1, 4))
        1.0
    """
    if module.return_indices:
        raise refused(module, norm, "it returns indices as well: build it with return_indices=False")
    if norm == "linf":
        return 1.0
    repeats = math.prod(int((pooled > 0).sum(1).amax()) for pooled in _adaptive(module, norm, shape))
    return 1.0 if repeats == 1 else rounded_up(math.sqrt(repeats), 1)


def _adaptive(module: Any, norm: Norm, shape: Shape | None) -> Iterator[Tensor]:
    """The matrix of each dimension, transposed: `[inputs, outputs]`."""
    dimensions = _dimensions(module)
    outputs = _per_dimension(module.output_size, dimensions)
    sizes = _sizes(shape, dimensions) or ((1,) * dimensions if set(outputs) == {1} else None)
    if sizes is None:
        raise refused(module, norm, "its windows depend on the image's size: give input_shape")
    for n, out in zip(sizes, outputs, strict=True):
        yield functional.adaptive_avg_pool1d(_eye(n), n if out is None else out)


def _windows(module: Any, dimensions: int, names: Sequence[str]) -> list[tuple[Any, ...]]:
    return list(zip(*(_per_dimension(getattr(module, name), dimensions) for name in names), strict=True))


def _per_dimension(value: Any, dimensions: int) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, Sequence) else (value,) * dimensions


def _taps_per_phase(kernel: int, stride: int, dilation: int = 1) -> list[int]:
    """How many taps fall on pixels that are r modulo the stride, for each r: the windows that such a pixel is in."""
    phases = [dilation * tap % stride for tap in range(kernel)]
    return [phases.count(r) for r in range(stride)]


def _sizes(shape: Shape | None, dimensions: int) -> Shape | None:
    return None if shape is None else shape[-dimensions:]


def _dimensions(module: nn.Module) -> int:
    kinds = (_AVERAGE, _MAX, _ADAPTIVE_AVERAGE, _ADAPTIVE_MAX)
    return next(i for kind in kinds for i, type_ in enumerate(kind, start=1) if isinstance(module, type_))


def _eye(n: int) -> Tensor:
    return torch.eye(n, dtype=torch.float64)
