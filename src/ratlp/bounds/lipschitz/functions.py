"""Functions that a forward calls between its modules: sums, concatenations, scalings, and the layers' functional forms.

Each rule gives the constant of a call's result from those of its operands. With constants L_a and L_b of a and b in
the model's input, a + b has at most L_a + L_b.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from ratlp.bounds.lipschitz.rearrangement import is_rearrangement
from ratlp.bounds.lipschitz.rules import Shape, find_rule
from ratlp.bounds.rounding import in_float64, product_up, rounded_up, sum_up
from ratlp.errors import BoundError
from ratlp.perturbations import Norm

MODULE_OF: dict[Any, type[nn.Module]] = {
    torch.relu: nn.ReLU,
    torch.relu_: nn.ReLU,
    functional.relu: nn.ReLU,
    functional.relu6: nn.ReLU6,
    functional.leaky_relu: nn.LeakyReLU,
    functional.elu: nn.ELU,
    functional.selu: nn.SELU,
    functional.celu: nn.CELU,
    functional.gelu: nn.GELU,
    functional.silu: nn.SiLU,
    functional.mish: nn.Mish,
    functional.hardswish: nn.Hardswish,
    functional.softplus: nn.Softplus,
    torch.tanh: nn.Tanh,
    functional.tanh: nn.Tanh,
    torch.sigmoid: nn.Sigmoid,
    functional.sigmoid: nn.Sigmoid,
    functional.max_pool1d: nn.MaxPool1d,
    functional.max_pool2d: nn.MaxPool2d,
    functional.avg_pool1d: nn.AvgPool1d,
    functional.avg_pool2d: nn.AvgPool2d,
    functional.adaptive_avg_pool1d: nn.AdaptiveAvgPool1d,
    functional.adaptive_avg_pool2d: nn.AdaptiveAvgPool2d,
    functional.softmax: nn.Softmax,
    torch.softmax: nn.Softmax,
    "relu": nn.ReLU,
    "relu_": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "softmax": nn.Softmax,
}
"""The module that computes the same, built from the arguments after the first."""

_SAME_ORDER = 5  # the first arguments; later ones (ceil_mode, return_indices) come in another order


@dataclass(frozen=True)
class Operand:
    """One tensor or number that a function takes.

    Attributes:
        constant: Its Lipschitz constant in the input; 0 where it does not depend on it.
        shape: Its shape, where known.
        value: The number or tensor itself, where it is fixed.
    """

    constant: float
    shape: Shape | None = None
    value: Any = None


@dataclass(frozen=True)
class FunctionCall:
    """A call of a function as its rule sees it.

    Attributes:
        operands: The tensors and numbers among its positional arguments, lists opened.
        shape: Of the result, where known.
        norm: On both sides.
        node: The call in the graph.
    """

    operands: tuple[Operand, ...]
    shape: Shape | None
    norm: Norm
    node: fx.Node

    def refused(self, reason: str) -> BoundError:
        """What a rule raises where it knows no constant."""
        name = getattr(self.node.target, "__name__", self.node.target)
        return BoundError(f"no {self.norm} Lipschitz bound of the function {name}: {reason}")

    def only_positional(self) -> None:
        """Refuse keyword arguments, such as alpha and out."""
        if self.node.kwargs:
            raise self.refused(f"its rule is for positional arguments; found {sorted(self.node.kwargs)}")

    def not_broadcast(self) -> None:
        """Refuse what repeats an operand along an axis, which costs under L2."""
        moving = [operand for operand in self.operands if operand.constant]
        numbers = [operand for operand in self.operands if isinstance(operand.value, int | float)]
        if self.norm == "linf" or (len(moving) + len(numbers) == len(self.operands) and len(moving) == 1):
            return
        for operand in moving:
            if self.shape is None or operand.shape is None:
                raise self.refused("whether it repeats an operand depends on the shapes: give input_shape")
            if operand.shape != self.shape:
                raise self.refused(f"it repeats an operand of shape {operand.shape} to {self.shape}: use linf")


FunctionRule = Callable[[FunctionCall], float]


def module_form(node: fx.Node) -> nn.Module | None:
    """The module that computes what a node's function computes on its first argument, in evaluation.

    Example:
        >>> graph = fx.symbolic_trace(lambda x: functional.leaky_relu(x, 2.0)).graph
        >>> module_form(list(graph.nodes)[1])
        LeakyReLU(negative_slope=2.0)
    """
    if node.op not in ("call_function", "call_method") or len(node.all_input_nodes) > 1:
        return None
    if node.target is functional.dropout:
        bound = dict(zip(("p", "training", "inplace"), node.args[1:], strict=False)) | node.kwargs
        return nn.Dropout().train(bool(bound.get("training", True)))
    if node.target not in MODULE_OF or len(node.args) > _SAME_ORDER:
        return None
    kind, in_place = MODULE_OF[node.target], node.target in (torch.relu_, "relu_")
    options: dict[str, Any] = {"inplace": True} if in_place else dict(node.kwargs)
    options.pop("_stacklevel", None)
    try:
        return kind(*node.args[1:], **options)
    except TypeError:
        return None


def function_constant(call: FunctionCall) -> float:
    """The constant of a call's result in the model's input.

    Raises:
        BoundError: There is no rule, or it knows no constant.
    """
    target = call.node.target
    if is_rearrangement(call.node, modules={}):
        return call.operands[0].constant
    module = module_form(call.node)
    if module is not None:
        rule = find_rule(module)
        assert rule is not None
        return product_up(call.operands[0].constant, rule(module, call.norm, call.operands[0].shape))
    if target not in _RULES:
        raise call.refused(
            "there is no rule; compute it in a module, and register that with @ratlp.bounds.lipschitz_rule"
        )
    return _RULES[target](call)


def _sum(call: FunctionCall) -> float:
    call.only_positional()
    call.not_broadcast()
    if len(call.operands) != 2:  # torch.add(x, 3, y) adds 3 y
        raise call.refused(f"its rule is for two operands; found {len(call.operands)}")
    return sum_up(*(operand.constant for operand in call.operands))


def _product(call: FunctionCall) -> float:
    call.only_positional()
    call.not_broadcast()
    (moving, fixed) = sorted(call.operands, key=lambda operand: operand.constant, reverse=True)
    return product_up(moving.constant, _largest(call, fixed))


def _quotient(call: FunctionCall) -> float:
    call.only_positional()
    call.not_broadcast()
    moving, fixed = call.operands
    return product_up(moving.constant, _largest(call, fixed, inverse=True))


def _largest(call: FunctionCall, operand: Operand, *, inverse: bool = False) -> float:
    if operand.constant or operand.value is None:
        raise call.refused("one factor, or the divisor, must be a number or a parameter or buffer of a module")
    value = in_float64(torch.as_tensor(operand.value))
    largest = float((1 / value if inverse else value).abs().amax())
    if not math.isfinite(largest):
        raise call.refused("it scales by inf or nan, or divides by 0")
    return rounded_up(largest, 1) if inverse else largest


def _negative(call: FunctionCall) -> float:
    return call.operands[0].constant


def _concatenation(call: FunctionCall) -> float:
    constants = [operand.constant for operand in call.operands]
    return max(constants) if call.norm == "linf" else rounded_up(math.hypot(*constants), len(constants))


def _item(call: FunctionCall) -> float:
    index = call.node.args[1]
    basic = index if isinstance(index, tuple) else (index,)
    if not all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in basic):
        raise call.refused("its rule is for slices and numbers, which take no entry twice")
    return call.operands[0].constant


def _mean(call: FunctionCall) -> float:
    operand = call.operands[0]
    if call.norm == "linf" or call.shape is None or operand.shape is None:
        return operand.constant
    return rounded_up(operand.constant * math.sqrt(math.prod(call.shape) / math.prod(operand.shape)), 4)


_RULES: dict[Any, FunctionRule] = {
    **dict.fromkeys(
        (operator.add, operator.iadd, operator.sub, operator.isub, torch.add, torch.sub, "add", "add_", "sub"), _sum
    ),
    **dict.fromkeys((operator.mul, operator.imul, torch.mul, "mul"), _product),
    **dict.fromkeys((operator.truediv, operator.itruediv, torch.div, "div"), _quotient),
    **dict.fromkeys((operator.neg, torch.neg), _negative),
    **dict.fromkeys((torch.cat, torch.concat, torch.stack), _concatenation),
    **dict.fromkeys((torch.mean, "mean"), _mean),
    operator.getitem: _item,
}

ARITHMETIC = frozenset(
    {operator.add, operator.sub, operator.mul, operator.truediv, operator.neg, torch.cat, torch.concat, torch.stack}
    | {torch.add, torch.sub, torch.mul, torch.div, torch.neg, torch.mean, "add", "sub", "mul", "div", "mean"}
)
"""Functions whose result has memory of its own."""
