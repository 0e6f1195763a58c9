"""Which functions are affine, and their adjoint: torch's own vector-Jacobian product, one rule for them all.

>>> from ratlp.bounds import Interval, linear_bounds
>>> linear_bounds(lambda x: torch.cat([x, -x], 1).cumsum(1), Interval(torch.zeros(1, 1), torch.ones(1, 1))).lower
tensor([[0., 0.]])
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ratlp.bounds.linear.nodes import Affine, Call, Node, products
from ratlp.bounds.linear.rules import linear_rule
from ratlp.bounds.names import methods_and_functions

_RESHAPED = ("view", "reshape", "squeeze", "unsqueeze", "flatten", "unflatten", "ravel")
_REARRANGED = (
    *("permute", "transpose", "t", "movedim", "moveaxis", "swapaxes", "swapdims", "narrow", "select", "diagonal"),
    *("adjoint", "flip", "fliplr", "flipud", "roll", "rot90", "neg", "negative", "tril", "triu"),
    *("split", "chunk", "unbind", "tensor_split", "hsplit", "vsplit", "dsplit", "split_with_sizes"),
    *("to", "float", "double", "half", "bfloat16", "cpu", "cuda"),
)
_REPEATED = (
    *("expand", "repeat", "tile", "repeat_interleave", "unfold", "index_select", "gather", "take_along_dim", "take"),
    *("sum", "mean", "cumsum", "sub", "subtract", "rsub", "cat", "concat", "concatenate", "stack", "hstack", "vstack"),
    *("where", "masked_fill", "masked_fill_", "sub_", "neg_"),
    *("__getitem__", "__radd__", "__sub__", "__rsub__", "__isub__"),
)
_PRODUCTS = (
    *("mul", "multiply", "mul_", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "mv", "inner", "outer"),
    *("__mul__", "__rmul__", "__imul__", "__matmul__", "__rmatmul__"),
)
_QUOTIENTS = ("div", "divide", "true_divide", "div_", "__truediv__", "__itruediv__")
_LENDING = ("view_as", "reshape_as", "expand_as", "type_as")
_MOVED = (functional.pixel_shuffle, functional.pixel_unshuffle, functional.channel_shuffle)
_POOLED = (
    *(functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    *(functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d),
    *(functional.interpolate, functional.unfold, functional.fold),
)


def _reshaped(call: Call, input: Any, *args: Any, **kwargs: Any) -> Node:
    """The rows take the other shape too; shared ones, where it leaves the first axis."""
    before, after = input.interval.shape, call.output.shape
    kept = 2 if before[:1] == after[:1] else 1

    def pull(rows: Tensor) -> Sequence[Tensor]:
        return [rows.reshape(*rows.shape[:kept], *before[kept - 1 :])]

    return Affine(call.output, (input,), pull, takes_shared=kept == 2, one_to_one=True)


def _in_any(call: Call, *args: Any, one_to_one: bool = False, **kwargs: Any) -> Node:
    """Affine in all that varies, jointly."""
    return transposed(call, one_to_one=one_to_one)


def _in_one(call: Call, *args: Any, **kwargs: Any) -> Node | None:
    """Affine in each operand alone: in what varies if that is one operand only, else there is no rule."""
    return transposed(call) if len(call.nodes()) == 1 else None


def _quotient(call: Call, input: Any, *args: Any, **kwargs: Any) -> Node | None:
    """Affine in the dividend, if the divisor is a constant."""
    return _in_one(call) if isinstance(input, Node) else None


def transposed(call: Call, *, one_to_one: bool = False) -> Node:
    """By torch's vector-Jacobian product, mapped over the rows."""
    parents = call.nodes()
    zeros = [torch.zeros_like(node.interval.lower) for node in parents]
    found = torch.func.vjp(lambda *values: call.on(values), *zeros)
    offset, pull = found[0], found[1]
    constants = partial(_products_with, offset) if bool(offset.any()) else None
    return Affine(call.output, parents, torch.func.vmap(pull), constants=constants, one_to_one=one_to_one)


def _products_with(offset: Tensor, rows: Tensor) -> Tensor:
    return products(rows, offset)


def _lending(call: Call, input: Any, other: Any) -> Node | None:
    """Of functions to which the second argument lends its shape or type only."""
    if not isinstance(input, Node):
        return None
    example = torch.empty_like(other.interval.lower) if isinstance(other, Node) else other
    return transposed(Call(call.function, (input, example), {}, call.output))


def folded(call: Call, input: Any, *args: Any, one_to_one: bool = False, **kwargs: Any) -> Node | None:
    """Of functions of `[batch, *]` whose arguments do not know the batch: rows count as further samples."""
    parents = call.nodes()
    if parents != (input,):
        return None
    (parent,) = parents
    zero = torch.zeros_like(parent.interval.lower[:1])
    offset = call.on([zero])

    def adjoint(rows: Tensor) -> Sequence[Tensor]:
        zeros = zero.expand(rows.shape[0] * rows.shape[1], *zero.shape[1:])
        (pulled,) = torch.func.vjp(lambda value: call.on([value]), zeros)[1](rows.flatten(0, 1))
        return [pulled.unflatten(0, rows.shape[:2])]

    def constants(rows: Tensor) -> Tensor:
        return products(rows, offset.expand(rows.shape[1:]))

    return Affine(
        call.output,
        parents,
        adjoint,
        constants=constants if bool(offset.any()) else None,
        takes_shared=True,
        one_to_one=one_to_one,
    )


@linear_rule(torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)
def _transposed_convolution(call: Call, input: Any, weight: Any, *args: Any, **kwargs: Any) -> Node | None:
    if call.nodes() != (input,):
        return None
    return folded(call, input) if call.output.dim() == weight.dim() else transposed(call)


@linear_rule(functional.pad)
def _padded(call: Call, input: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Node | None:
    """Other modes than the constant one repeat coordinates."""
    return folded(call, input, one_to_one=mode == "constant")


def with_item(tensor: Tensor, index: Any, value: Any) -> Tensor:
    """The tensor after `tensor[index] = value`."""
    tensor[index] = value
    return tensor


linear_rule(with_item)(_in_any)
for _function in methods_and_functions(_RESHAPED):
    linear_rule(_function)(_reshaped)
for _function in methods_and_functions(_REARRANGED):
    linear_rule(_function)(partial(_in_any, one_to_one=True))
for _function in methods_and_functions(_REPEATED):
    linear_rule(_function)(_in_any)
for _function in methods_and_functions(_PRODUCTS):
    linear_rule(_function)(_in_one)
for _function in methods_and_functions(_QUOTIENTS):
    linear_rule(_function)(_quotient)
for _function in methods_and_functions(_LENDING):
    linear_rule(_function)(_lending)
for _function in _POOLED:
    linear_rule(_function)(folded)
for _function in _MOVED:
    linear_rule(_function)(partial(folded, one_to_one=True))
for _attribute in ("T", "mT", "H", "mH"):
    linear_rule(getattr(torch.Tensor, _attribute).__get__)(partial(_in_any, one_to_one=True))
