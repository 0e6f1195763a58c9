"""What a radius and bounds are given as: numbers, or one for each feature."""

import math
from typing import Any

import torch
from torch import Tensor

from ratlp.errors import InputError

Value = float | Tensor
"""One number, or one for each feature: broadcastable to a sample, without the batch axis."""


def value_of(given: Any, name: str) -> Value:
    """A number as it is; an array or a list as a tensor, in float64.

    Raises:
        InputError: It is none of these.

    Example:
        >>> value_of([0.1, 0.2], "eps")
        tensor([0.1000, 0.2000], dtype=torch.float64)
        >>> value_of("0.1", "eps")
        Traceback (most recent call last):
        ratlp.errors.InputError: eps must be a number, or a list or an array of numbers; found '0.1'
    """
    if isinstance(given, int | float):
        return given
    if isinstance(given, Tensor):
        return given.detach()
    try:
        found = torch.tensor(given, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} must be a number, or a list or an array of numbers; found {given!r}") from error
    return found if found.dim() > 0 else float(found)


def checked_eps(given: Any) -> Value:
    """A radius, finite and >= 0.

    Raises:
        InputError: It is not.

    Example:
        >>> checked_eps(-1)
        Traceback (most recent call last):
        ratlp.errors.InputError: eps must be finite and >= 0; found -1
    """
    eps = value_of(given, "eps")
    if isinstance(eps, Tensor):
        wrong = eps[~(torch.isfinite(eps) & (eps >= 0))]
        if len(wrong):
            raise InputError(f"eps must be finite and >= 0 for each feature; found {float(wrong[0]):g}")
        return eps
    if not (math.isfinite(eps) and eps >= 0):
        raise InputError(f"eps must be finite and >= 0; found {eps}")
    return float(eps)


def checked_bounds(given: Any) -> tuple[Value, Value]:
    """A pair; equal bounds hold a feature still where others have a range, one pair for all must leave room.

    Raises:
        InputError: It is no pair, or does not increase.

    Example:
        >>> checked_bounds((1, 0))
        Traceback (most recent call last):
        ratlp.errors.InputError: bounds must be (low, high) with low < high, or low <= high for each feature; ...
    """
    low, high = pair_of(given)
    lows, highs = (torch.as_tensor(v, dtype=None if isinstance(v, Tensor) else torch.float64) for v in (low, high))
    per_feature = lows.dim() + highs.dim() > 0
    try:
        rising = bool((lows <= highs).all() if per_feature else lows < highs)
    except RuntimeError:  # one is not broadcastable to the other
        rising = False
    if not rising:
        raise InputError(
            f"bounds must be (low, high) with low < high, or low <= high for each feature; found {shown((low, high))}"
        )
    return low, high


def pair_of(given: Any) -> tuple[Value, Value]:
    """Bounds as two values, whatever they are.

    Raises:
        InputError: They are not two.

    Example:
        >>> pair_of([0, 1])
        (0, 1)
    """
    try:
        low, high = given
    except (TypeError, ValueError) as error:
        raise InputError(f"bounds must be a pair (low, high); found {given!r}") from error
    return value_of(low, "a bound"), value_of(high, "a bound")


def for_point(value: Value, point: Tensor, name: str) -> Value:
    """A value for points: one for each feature in their type and on their device, a number as it is.

    Args:
        value: A number, or one for each feature.
        point: `[batch, *features]`.
        name: What messages call it.

    Raises:
        InputError: It does not fit a sample, or is larger than any number of the points' type.

    Example:
        >>> for_point(torch.tensor([1.0, 2.0]), torch.zeros(5, 3), "eps")
        Traceback (most recent call last):
        ratlp.errors.InputError: eps must be broadcastable to a sample, (3,), without the batch axis; found shape (2,)
    """
    if not isinstance(value, Tensor):
        if point.is_floating_point() and torch.finfo(point.dtype).max < abs(value) < math.inf:
            raise InputError(f"{name} must be within the range of the points' {point.dtype}; found {value:g}")
        return value  # which clamps much faster
    sample = point.shape[1:]
    fits = value.dim() <= len(sample) and all(
        mine in (1, other) for mine, other in zip(reversed(value.shape), reversed(sample), strict=False)
    )
    if not fits:
        raise InputError(
            f"{name} must be broadcastable to a sample, {tuple(sample)}, without the batch axis; "
            f"found shape {tuple(value.shape)}"
        )
    return value.to(point)


def shown(value: Value | tuple[Value, Value]) -> str:
    """A value or bounds, in short.

    Example:
        >>> shown((0.0, torch.ones(3)))
        '(0, tensor of shape (3,))'
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    return f"tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value:g}"
