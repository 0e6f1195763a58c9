"""Rules of functions that only rearrange, copy, select or pad coordinates: both bounds go the same way.

A view shares its memory with its base, so that a change in place of either would change both. Intervals share no
memory: `Interval.share` notes the relation, and the others can be used no more once one is changed in place.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.registration import register_in_place, register_mapped
from ratlp.bounds.interval.rules import interval_rule
from ratlp.bounds.interval.tensor import Interval, ends
from ratlp.bounds.names import methods_and_functions
from ratlp.errors import BoundError

_VIEWS = (
    *("reshape", "permute", "transpose", "t", "squeeze", "unsqueeze", "expand", "narrow", "select", "movedim"),
    *("moveaxis", "swapaxes", "swapdims", "flatten", "unflatten", "diagonal", "ravel", "detach", "adjoint"),
)
_VIEWS_OF_METHODS = ("unfold", "contiguous", "float", "double", "half", "bfloat16", "cpu", "cuda")
_LIKE_ANOTHER = ("expand_as", "reshape_as", "to", "type_as")
_COPIES = (
    *("clone", "tile", "flip", "fliplr", "flipud", "roll", "rot90", "index_select", "gather", "tril", "triu"),
    *("take_along_dim", "repeat_interleave", "take", "masked_select"),
)
_SEVERAL_VIEWS = ("split", "split_with_sizes", "chunk", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit")
_OTHER_COPIES = (
    *(functional.pixel_shuffle, functional.pixel_unshuffle, functional.channel_shuffle, functional.unfold),
    functional.fold,  # adds overlapping coordinates: monotone, and linear without a constant
    Tensor.repeat,
)


def _register(functions: Sequence[Any], wrap: Callable[[Any], Callable[..., Any]], *, anywhere: bool = False) -> None:
    for function in functions:
        interval_rule(function, anywhere=anywhere)(wrap(function))


def _view(function: Any) -> Callable[..., Any]:
    return lambda input, *args, **kwargs: input.share(input.mapped(lambda x: function(x, *args, **kwargs)))


def _like_another(function: Any) -> Callable[..., Any]:
    """Of functions where an interval may also be the other tensor, which only lends its shape, dtype or device."""

    def apply(input: Any, *args: Any, **kwargs: Any) -> Any:
        args = tuple(arg.lower if isinstance(arg, Interval) else arg for arg in args)
        kwargs = {key: arg.lower if isinstance(arg, Interval) else arg for key, arg in kwargs.items()}
        if not isinstance(input, Interval):
            return function(input, *args, **kwargs)
        view = input.mapped(lambda x: function(x, *args, **kwargs))
        if not view.dtype.is_floating_point:
            raise BoundError(f"intervals are of floating numbers; found a conversion to {view.dtype}")
        return input.share(view)

    return apply


def _several_views(function: Any) -> Callable[..., Any]:
    def views(input: Interval, *args: Any, **kwargs: Any) -> tuple[Interval, ...]:
        pairs = zip(*(function(bound, *args, **kwargs) for bound in input.bounds), strict=True)
        return tuple(input.share(Interval(low, high)) for low, high in pairs)

    return views


_register(methods_and_functions(_VIEWS), _view)
register_mapped(methods_and_functions(_COPIES))
_register(methods_and_functions(_SEVERAL_VIEWS), _several_views)
_register([getattr(Tensor, name) for name in _VIEWS_OF_METHODS], _view)
_register([getattr(Tensor, name) for name in _LIKE_ANOTHER], _like_another, anywhere=True)
register_mapped(_OTHER_COPIES)
_register([getattr(Tensor, name).__get__ for name in ("T", "mT", "H", "mH")], _view)
_register([vars(torch._C.TensorBase)["data"].__get__], _view)


@interval_rule(Tensor.view)
def _view_of(input: Interval, *shape: Any) -> Any:
    """A bound may be laid out in memory as the tensor itself is not, so that it has to be copied."""
    return input.reshape(*shape)


@interval_rule(Tensor.view_as, anywhere=True)
def _view_as(input: Any, other: Any) -> Any:
    if other is input:  # how recorded outputs are handed out: an interval of its own, not a part of one
        return input.mapped(lambda x: x.view_as(x))
    return input.reshape(other.shape)


@interval_rule(Tensor.type)
def _type(input: Interval, dtype: Any = None) -> Any:
    return input.lower.type() if dtype is None else _like_another(Tensor.type)(input, dtype)


@interval_rule(Tensor.__getitem__)
def _getitem(input: Interval, index: Any) -> Interval:
    return input.share(input.mapped(lambda x: x[index]))


@interval_rule(Tensor.__setitem__, anywhere=True)
def _setitem(input: Tensor, index: Any, value: Any) -> None:
    if not isinstance(input, Interval) or isinstance(index, Interval):
        raise BoundError(
            "an ordinary tensor cannot take an interval in place: put the parts together with torch.cat, torch.stack "
            "or torch.where"
        )
    lower, upper = input.lower.clone(), input.upper.clone()
    lower[index], upper[index] = ends(value)
    input.overwrite(Interval(lower, upper))


@interval_rule(Tensor.__iter__)
def _iterate(input: Interval) -> Any:
    return iter(input.unbind(0))


@interval_rule(torch.cat, torch.concat, torch.concatenate, anywhere=True)
def _cat(tensors: Sequence[Tensor], dim: int = 0, *, axis: int | None = None) -> Interval:
    return _joined(torch.cat, tensors, dim if axis is None else axis)


@interval_rule(torch.stack, anywhere=True)
def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Interval:
    return _joined(torch.stack, tensors, dim)


@interval_rule(torch.hstack, anywhere=True)
def _hstack(tensors: Sequence[Tensor]) -> Interval:
    return _joined(torch.hstack, tensors)


@interval_rule(torch.vstack, anywhere=True)
def _vstack(tensors: Sequence[Tensor]) -> Interval:
    return _joined(torch.vstack, tensors)


def _joined(function: Callable[..., Tensor], tensors: Sequence[Tensor], *dim: int) -> Interval:
    intervals = [t for t in tensors if isinstance(t, Interval) and t.is_ball]
    if len(intervals) == len(tensors):
        centres, radii = zip(*(t.ball for t in intervals), strict=True)
        return Interval.of_ball(function(centres, *dim), function(radii, *dim))
    lower, upper = zip(*map(ends, tensors), strict=True)
    return Interval(function(lower, *dim), function(upper, *dim))


@interval_rule(functional.pad)
def _pad(input: Interval, pad: Any, mode: str = "constant", value: float | None = None) -> Interval:
    return Interval(*(functional.pad(x, pad, mode, value) for x in input.bounds))


def _chosen(condition: Any, input: Any, other: Any) -> Interval:
    if isinstance(condition, Interval):
        raise BoundError("where needs an ordinary tensor as its condition; found an interval")
    return Interval(*(torch.where(condition, a, b) for a, b in zip(ends(input), ends(other), strict=True)))


@interval_rule(torch.where, anywhere=True)
def _where(condition: Tensor, input: Any, other: Any) -> Interval:
    return _chosen(condition, input, other)


@interval_rule(Tensor.where, anywhere=True)
def _where_of(input: Any, condition: Tensor, other: Any) -> Interval:
    return _chosen(condition, input, other)


@interval_rule(Tensor.masked_fill, torch.masked_fill)
def _masked_fill(input: Interval, mask: Tensor, value: Any) -> Interval:
    return Interval(*(x.masked_fill(mask, value) for x in input.bounds))


register_in_place([Tensor.masked_fill_], _masked_fill)


def _like(function: Any) -> Callable[..., Tensor]:
    """A new ordinary tensor of the interval's shape, dtype and device."""
    return lambda input, *args, **kwargs: function(input.lower, *args, **kwargs)


_register(
    [torch.zeros_like, torch.ones_like, torch.full_like, torch.rand_like, torch.randn_like, torch.empty_like], _like
)
_register([Tensor.new_zeros, Tensor.new_ones, Tensor.new_full, Tensor.new_empty, Tensor.new_tensor], _like)
