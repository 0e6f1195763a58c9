"""The Lipschitz constant of a whole forward, from those of its steps."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, fx

from ratlp.bounds.lipschitz.functions import FunctionCall, Operand, function_constant
from ratlp.bounds.lipschitz.rules import find_rule
from ratlp.bounds.lipschitz.symbols import reads_shape
from ratlp.bounds.lipschitz.tracing import Traced
from ratlp.bounds.rounding import product_up
from ratlp.errors import BoundError
from ratlp.perturbations.norms import Norm, check_norm


class Composition:
    """Constants between any two tensors of a traced forward, in one norm.

    A step's constant is its rule's times its operand's; what does not depend on the source has constant 0 and needs
    no rule. Where a tensor reaches another on two ways (a residual connection), the function that joins them says
    how they add up.

    Args:
        traced: The forward.
        norm: On both sides.

    Example:
        >>> from torch import nn
        >>> from ratlp.bounds.lipschitz.tracing import trace
        >>> traced = trace(nn.Sequential(nn.Tanh(), nn.Sigmoid()))
        >>> Composition(traced, "linf").constant(traced.input, traced.logits)
        0.25
    """

    def __init__(self, traced: Traced, norm: Norm) -> None:
        check_norm(norm)
        self.traced = traced
        self.norm = norm
        self.shapes = traced.shapes

    def constant(self, source: fx.Node, target: fx.Node) -> float:
        """How much `target` moves at most, as a multiple of how much `source` moves.

        Raises:
            BoundError: A step between them has no rule, or its rule refuses.
        """
        needed = _ancestors(target)
        constants: dict[fx.Node, float] = {}
        for node in self.traced.graph.nodes:
            if node in needed:
                constants[node] = 1.0 if node is source else self._step(node, constants)
        return constants[target]

    def _step(self, node: fx.Node, constants: Mapping[fx.Node, float]) -> float:
        if not any(constants[operand] for operand in node.all_input_nodes) or reads_shape(node):
            return 0.0
        constant = self._module(node, constants) if node.op == "call_module" else self._function(node, constants)
        if not math.isfinite(constant):
            raise BoundError(f"the Lipschitz bound grew beyond any number at {node.name}; found {constant}")
        return constant

    def _module(self, node: fx.Node, constants: Mapping[fx.Node, float]) -> float:
        module, name = self.traced.modules[str(node.target)], str(node.target).removeprefix("model.")
        rule = find_rule(module)
        if rule is None:
            raise BoundError(
                f"no Lipschitz rule for {type(module).__name__} at {name!r}: register one with "
                "@ratlp.bounds.lipschitz_rule, or leave the module out"
            )
        if len(node.args) != 1 or node.kwargs or not isinstance(node.args[0], fx.Node):
            raise BoundError(f"a Lipschitz rule is for a module called on one tensor; found {node.format_node()}")
        operand = node.args[0]
        try:
            own = rule(module, self.norm, self.shapes.get(operand))
        except BoundError as error:
            raise BoundError(f"at {name!r}: {error}") from None
        return product_up(own, constants[operand])

    def _function(self, node: fx.Node, constants: Mapping[fx.Node, float]) -> float:
        opened = [a for listed in node.args for a in (listed if isinstance(listed, list | tuple) else (listed,))]
        positional = [argument for argument in opened if isinstance(argument, fx.Node | int | float)]
        others = set(node.all_input_nodes).difference(positional)  # sizes, or tensors in a keyword's list
        if any(isinstance(v, fx.Node) for v in node.kwargs.values()) or any(constants[other] for other in others):
            raise BoundError(f"the rules of functions are for tensors by position; found {node.format_node()}")
        operands = tuple(self._operand(argument, constants) for argument in positional)
        return function_constant(FunctionCall(operands, self.shapes.get(node), self.norm, node))

    def _operand(self, argument: Any, constants: Mapping[fx.Node, float]) -> Operand:
        if not isinstance(argument, fx.Node):
            return Operand(0.0, value=argument)
        value = self.traced.attribute(argument) if argument.op == "get_attr" else None
        if isinstance(value, Tensor):
            return Operand(0.0, tuple(value.shape), value)
        return Operand(constants[argument], self.shapes.get(argument))


def _ancestors(target: fx.Node) -> set[fx.Node]:
    found, waiting = {target}, [target]
    while waiting:
        new = [operand for operand in waiting.pop().all_input_nodes if operand not in found]
        found.update(new)
        waiting += new
    return found
