"""Rules of functions that order coordinates: the k-th smallest does not fall when coordinates rise.

Which coordinate it is differs over the box, so that the indices beside the values are refused once they are used.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.messages import whereabouts
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval
from ratlp.bounds.names import name_of
from ratlp.errors import BoundError


class UndeterminedIndices(Tensor):
    """The indices of ordered coordinates, which an interval does not determine: every use of them is an error.

    Example:
        >>> values, indices = torch.sort(Interval(torch.zeros(2), torch.ones(2)))
        >>> values
        Interval(lower=tensor([0., 0.]), upper=tensor([1., 1.]))
        >>> indices + 1
        Traceback (most recent call last):
            ...
        ratlp.errors.BoundError: the order of an interval's coordinates is not determined; found its indices used ...
    """

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Refuse."""
        raise BoundError(
            f"the order of an interval's coordinates is not determined; found its indices used by {name_of(func)} "
            f"{whereabouts()}"
        )


def _values_and_indices(function: Callable[..., Any], kind: Any, input: Interval, *args: Any, **kwargs: Any) -> Any:
    lower, upper = (function(_all_or_nothing(x), *args, **kwargs) for x in input.bounds)
    return kind((Interval(lower[0], upper[0]), torch.empty(0).as_subclass(UndeterminedIndices)))


def _all_or_nothing(x: Tensor) -> Tensor:
    """Where one bound is not a number, none of the ordered ones is known; torch would put it above all others."""
    return torch.where(x.isnan().any(), torch.nan, x)


def _register(functions: tuple[Any, ...], kind: Any) -> None:
    @interval_rule(*functions)
    def apply(input: Interval, *args: Any, **kwargs: Any) -> Any:
        return _values_and_indices(functions[0], kind, input, *args, **kwargs)


_register((torch.sort, Tensor.sort), torch.return_types.sort)
_register((torch.kthvalue, Tensor.kthvalue), torch.return_types.kthvalue)
_register((torch.cummax, Tensor.cummax), torch.return_types.cummax)
_register((torch.cummin, Tensor.cummin), torch.return_types.cummin)
for _function in (
    *(functional.max_pool1d_with_indices, functional.max_pool2d_with_indices, functional.max_pool3d_with_indices),
    functional.adaptive_max_pool1d_with_indices,
    functional.adaptive_max_pool2d_with_indices,
    functional.adaptive_max_pool3d_with_indices,
):
    _register((_function,), tuple)


@interval_rule(torch.topk, Tensor.topk)
def _topk(input: Interval, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """In order only: else torch leaves either bound in an order of its own."""
    if not sorted:
        raise BoundError("topk has an interval rule for sorted values; found sorted=False: leave it out")
    return _values_and_indices(torch.topk, torch.return_types.topk, input, k, dim, largest)


@interval_rule(torch.msort, Tensor.msort)
def _msort(input: Interval) -> Any:
    return torch.sort(input, dim=0)[0]


def _extreme(function: Any, pair: Any, kind: Any) -> Callable[..., Any]:
    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        other = args[0] if args else kwargs.get("other", kwargs.get("dim"))
        if isinstance(other, Tensor):
            return pair(input, other)
        if other is None:
            return Interval(*(function(x) for x in input.bounds))
        return _values_and_indices(function, kind, input, *args, **kwargs)

    return apply


interval_rule(torch.max, Tensor.max, anywhere=True)(_extreme(torch.max, torch.maximum, torch.return_types.max))
interval_rule(torch.min, Tensor.min, anywhere=True)(_extreme(torch.min, torch.minimum, torch.return_types.min))
