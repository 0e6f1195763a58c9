"""Which functions have a rule for linear bounds."""

from collections.abc import Callable
from typing import Any, TypeVar

from ratlp.bounds.linear.nodes import Call, Leaf, Node

Rule = TypeVar("Rule", bound=Callable[..., Node | None])

_RULES: dict[Any, Callable[..., Node | None]] = {}


def node_of(*functions: Any) -> Callable[[Rule], Rule]:
    """Register how calls of torch functions become nodes.

    The rule is called with the `Call` and the call's own arguments, in which nodes stand for the tensors that vary.
    It returns None where it does not apply.

    Args:
        functions: The torch functions and methods.

    Example:
        >>> import torch
        >>> from ratlp.bounds.linear.nodes import Affine
        >>> @node_of(torch.negative)
        ... def negative(call, input):
        ...     return Affine(call.output, (input,), lambda rows: [-rows], takes_shared=True, one_to_one=True)
    """

    def register(function: Rule) -> Rule:
        for known in functions:
            _RULES[known] = function
        return function

    return register


def recorded(call: Call) -> Node:
    """The call's node; of a call without a rule, the box of its interval bounds, free of what it came from."""
    rule = _RULES.get(call.function)
    node = None if rule is None else rule(call, *call.args, **call.kwargs)
    return Leaf(call.output) if node is None else node
