"""Rules of the affine layers whose adjoint is worth writing down.

>>> from ratlp.bounds import Interval, linear_bounds
>>> difference = torch.nn.Linear(1, 1, bias=False).requires_grad_(False)
>>> _ = difference.weight.fill_(-1.0)
>>> linear_bounds(lambda x: x + difference(x), Interval(torch.zeros(1, 1), torch.ones(1, 1))).lower
tensor([[0.]])
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional, grad

from ratlp.bounds.interval.normalisation import scale_and_shift
from ratlp.bounds.linear.affine import folded, transposed
from ratlp.bounds.linear.nodes import Affine, Call, Node
from ratlp.bounds.linear.rules import linear_rule
from ratlp.errors import BoundError

_INPUT_OF: dict[Any, Any] = {
    torch.conv1d: grad.conv1d_input,
    torch.conv2d: grad.conv2d_input,
    torch.conv3d: grad.conv3d_input,
}


@linear_rule(functional.linear)
def _linear(call: Call, input: Any, weight: Any, bias: Any = None) -> Node | None:
    if call.nodes() != (input,):
        return None
    if weight.dim() != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        return transposed(call)
    return Affine(
        call.output,
        (input,),
        lambda rows: [rows @ weight],
        constants=None if bias is None else lambda rows: rows @ bias,
        takes_shared=True,
    )


def _convolution(function: Callable[..., Tensor]) -> None:
    @linear_rule(function)
    def convolution(
        call: Call,
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Node | None:
        if call.nodes() != (input,) or call.output.dim() != weight.dim():
            return None
        if isinstance(padding, str):
            return folded(call, input)
        shape = input.interval.shape[1:]

        def adjoint(rows: Tensor) -> Sequence[Tensor]:
            size = (rows.shape[0] * rows.shape[1], *shape)
            pulled = _INPUT_OF[function](size, weight, rows.flatten(0, 1), stride, padding, dilation, groups)
            return [pulled.unflatten(0, rows.shape[:2])]

        constants = None if bias is None else lambda rows: rows.flatten(3).sum(-1) @ bias
        return Affine(call.output, (input,), adjoint, constants=constants, takes_shared=True)


for _function in _INPUT_OF:
    _convolution(_function)


@linear_rule(functional.batch_norm)
def _batch_norm(
    call: Call,
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Node | None:
    """A factor and a shift for each channel."""
    if training:
        raise BoundError("linear bounds need a norm's running statistics; found one in training: call model.eval()")
    if call.nodes() != (input,):
        return None
    scale, shift = scale_and_shift(running_mean, running_var + eps, weight, bias)
    factor = scale.view(-1, *[1] * (call.output.dim() - 2))
    return Affine(
        call.output,
        (input,),
        lambda rows: [rows * factor],
        constants=lambda rows: rows.reshape(*rows.shape[:3], -1).sum(-1) @ shift,
        takes_shared=True,
        one_to_one=True,
    )


@linear_rule(torch.batch_norm)
def _torch_batch_norm(
    call: Call,
    input: Any,
    weight: Any,
    bias: Any,
    running_mean: Any,
    running_var: Any,
    training: bool,
    momentum: float,
    eps: float,
    cudnn_enabled: bool,
) -> Node | None:
    return _batch_norm(call, input, running_mean, running_var, weight, bias, training, momentum, eps)


@linear_rule(functional.instance_norm)
def _instance_norm(
    call: Call,
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Node | None:
    """Affine with running statistics; with the input's own a box, and refused where it would move the running ones."""
    if running_mean is None:
        return None
    return _batch_norm(call, input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


@linear_rule(torch.add, Tensor.add, Tensor.__add__, Tensor.add_, Tensor.__iadd__)
def _add(call: Call, *args: Any, **kwargs: Any) -> Node:
    """The same rows for both operands, where they have one shape."""
    parents = call.nodes()
    if kwargs or len(parents) != 2 or parents[0].interval.shape != parents[1].interval.shape:
        return transposed(call)
    return Affine(call.output, parents, lambda rows: [rows, rows], takes_shared=True)


@linear_rule(Tensor.clone, torch.clone, Tensor.contiguous, Tensor.detach, torch.detach)
def _same(call: Call, input: Any, *args: Any, **kwargs: Any) -> Node | None:
    """Of functions that return what they are given."""
    return input if isinstance(input, Node) else None


linear_rule(vars(torch._C.TensorBase)["data"].__get__)(_same)


@linear_rule(functional.dropout, functional.dropout1d, functional.dropout2d, functional.dropout3d)
def _dropout(call: Call, input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Node | None:
    if training and p > 0:
        raise BoundError("linear bounds need dropout to be off; found it in training: call model.eval()")
    return _same(call, input)


@linear_rule(torch.dropout)
def _torch_dropout(call: Call, input: Any, p: float, train: bool) -> Node | None:
    return _dropout(call, input, p, train)


linear_rule(functional.alpha_dropout, functional.feature_alpha_dropout)(_same)  # intervals refuse them in training
