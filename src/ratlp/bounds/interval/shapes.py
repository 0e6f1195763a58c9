"""Rules of functions that only rearrange, copy, select or pad coordinates: both bounds go the same way.

A view shares its storage with its base, so that an operation in place on either would change both. Intervals have no
shared storage: once a view exists, operations in place on it and on its base are refused.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.interval.tensor import Interval, rule
from ratlp.errors import BoundError

_VIEWS = (
    *(
        "view",
        "reshape",
        "permute",
        "transpose",
        "t",
        "squeeze",
        "unsqueeze",
        "expand",
        "expand_as",
        "narrow",
        "select",
    ),
    *(
        "movedim",
        "moveaxis",
        "swapaxes",
        "swapdims",
        "flatten",
        "unflatten",
        "diagonal",
        "ravel",
        "reshape_as",
        "unfold",
    ),
    *("contiguous", "to", "float", "double", "half", "bfloat16", "type_as", "cpu", "cuda", "view_as", "detach"),
)
_COPIES = (
    *("clone", "repeat", "tile", "flip", "fliplr", "flipud", "roll", "rot90", "index_select", "gather", "tril", "triu"),
    *("take_along_dim", "repeat_interleave", "take", "masked_select"),
)
_SEVERAL_VIEWS = ("split", "chunk", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit", "split_with_sizes")
_OTHER_COPIES = (
    *(functional.pixel_shuffle, functional.pixel_unshuffle, functional.channel_shuffle, functional.unfold),
    functional.fold,  # adds overlapping coordinates: monotone, and linear without a constant
)


def _versions(name: str) -> list[Any]:
    """The method and the function of a name."""
    return [getattr(owner, name) for owner in (Tensor, torch) if hasattr(owner, name)]


def _register(functions: Sequence[Any], wrap: Callable[[Any], Callable[..., Any]]) -> None:
    for function in functions:
        rule(function)(wrap(function))


def _view(function: Any) -> Callable[..., Any]:
    def viewed(input: Interval, *args: Any, **kwargs: Any) -> Interval:
        view = input.mapped(lambda x: function(x, *_plain(args), **kwargs))
        # x.view_as(x) is how recorded outputs are handed out: a tensor of its own, not a part of one.
        own = bool(args) and args[0] is input
        return view if own else input.share(view)

    return viewed


def _copy(function: Any) -> Callable[..., Any]:
    return lambda input, *args, **kwargs: input.mapped(lambda x: function(x, *args, **kwargs))


def _several_views(function: Any) -> Callable[..., Any]:
    def views(input: Interval, *args: Any, **kwargs: Any) -> tuple[Interval, ...]:
        parts = _each_held(input, lambda x: function(x, *args, **kwargs))
        return tuple(input.share(part) for part in parts)

    return views


def _each_held(input: Interval, function: Callable[[Tensor], Sequence[Tensor]]) -> list[Interval]:
    """As `Interval.mapped`, for functions that return several tensors."""
    return [Interval(low, high) for low, high in zip(function(input.lower), function(input.upper), strict=True)]


def _plain(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """The arguments, with the lower bound in place of intervals that only lend their shape or dtype."""
    return tuple(arg.lower if isinstance(arg, Interval) else arg for arg in args)


for _name in _VIEWS:
    _register(_versions(_name), _view)
for _name in _COPIES:
    _register(_versions(_name), _copy)
for _name in _SEVERAL_VIEWS:
    _register(_versions(_name), _several_views)
_register(_OTHER_COPIES, _copy)
_register([getattr(Tensor, name).__get__ for name in ("T", "mT", "H", "mH", "real")], _view)
_register([vars(torch._C.TensorBase)["data"].__get__], _view)


@rule(Tensor.__getitem__)
def _getitem(input: Tensor, index: Any) -> Tensor:
    assert isinstance(input, Interval)
    return input.share(input.mapped(lambda x: x[index]))


@rule(Tensor.__setitem__)
def _setitem(input: Tensor, index: Any, value: Any) -> None:
    if not isinstance(input, Interval):
        raise BoundError("an ordinary tensor cannot hold an interval; found x[...] = interval: use torch.where or cat")
    lower, upper = input.lower.clone(), input.upper.clone()
    lower[index] = value.lower if isinstance(value, Interval) else value
    upper[index] = value.upper if isinstance(value, Interval) else value
    input.overwrite(Interval(lower, upper))


@rule(Tensor.__iter__)
def _iterate(input: Tensor) -> Any:
    return iter(input.unbind(0))


@rule(torch.cat, torch.concat, torch.concatenate)
def _cat(tensors: Sequence[Tensor], dim: int = 0, **kwargs: Any) -> Interval:
    return _joined(torch.cat, tensors, kwargs.get("axis", dim))


@rule(torch.stack)
def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Interval:
    return _joined(torch.stack, tensors, dim)


def _joined(function: Callable[..., Tensor], tensors: Sequence[Tensor], dim: int) -> Interval:
    pairs = [t.bounds if isinstance(t, Interval) else (t, t) for t in tensors]
    return Interval(function([low for low, _ in pairs], dim), function([high for _, high in pairs], dim))


@rule(functional.pad)
def _pad(input: Interval, pad: Any, mode: str = "constant", value: float | None = None) -> Interval:
    return Interval(*(functional.pad(x, pad, mode, value) for x in input.bounds))


@rule(torch.where, Tensor.where)
def _where(condition: Tensor, input: Any, other: Any) -> Tensor:
    if isinstance(condition, Interval):  # the method's first argument is the tensor itself
        condition, input = input, condition
    pairs = [x.bounds if isinstance(x, Interval) else (x, x) for x in (input, other)]
    return Interval(*(torch.where(condition, a, b) for a, b in zip(*pairs, strict=True)))


@rule(Tensor.masked_fill, torch.masked_fill)
def _masked_fill(input: Interval, mask: Tensor, value: Any) -> Interval:
    return Interval(*(x.masked_fill(mask, value) for x in input.bounds))


@rule(Tensor.masked_fill_)
def _masked_fill_in_place(input: Interval, mask: Tensor, value: Any) -> Interval:
    return input.overwrite(_masked_fill(input, mask, value))


def _like(function: Any) -> Callable[..., Tensor]:
    """A new ordinary tensor of the interval's shape, dtype and device."""
    return lambda input, *args, **kwargs: function(input.lower, *args, **kwargs)


_register(
    [torch.zeros_like, torch.ones_like, torch.full_like, torch.rand_like, torch.randn_like, torch.empty_like], _like
)
_register([Tensor.new_zeros, Tensor.new_ones, Tensor.new_full, Tensor.new_empty, Tensor.new_tensor], _like)
