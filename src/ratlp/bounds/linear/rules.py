"""The linear rule of a torch function, in a registry that users extend."""

from collections.abc import Callable
from typing import Any

from ratlp.bounds.linear.nodes import Call, Leaf, Node
from ratlp.bounds.registry import Registry, Rule, is_function

RULES = Registry("linear_rule", "a function", "torch.relu", is_function)


def linear_rule(*functions: Any) -> Callable[[Rule], Rule]:
    """Register how linear functions are passed back through calls of functions.

    The rule is called with the `Call` and the function's own arguments, in which nodes stand for the tensors that
    vary. It returns a node, `Affine` or `Relaxed`, or None where it does not apply: the call is then bounded by
    intervals. The functions need an interval rule too.

    A rule is sound if its node is: an adjoint and constants that are exactly the function's, or lines that lie below
    and above it between all bounds of the input.

    Args:
        functions: Torch functions and methods, such as `torch.relu` and `torch.Tensor.relu`, or functions of one's
            own that tensors can override (`torch.overrides.wrap_torch_function`).

    Raises:
        InputError: One of them is no function, or has a linear rule.

    Example:
        >>> import torch
        >>> from torch.overrides import wrap_torch_function
        >>> from ratlp.bounds import Interval, interval_rule, linear_bounds
        >>> from ratlp.bounds.linear import Affine
        >>> @wrap_torch_function(lambda x: (x,))
        ... def doubled(x):
        ...     return x + x
        >>> @interval_rule(doubled)
        ... def _doubled_interval(x):
        ...     return 2 * x
        >>> @linear_rule(doubled)
        ... def _doubled(call, x):
        ...     return Affine(call.output, (x,), lambda rows: [2 * rows], takes_shared=True, one_to_one=True)
        >>> linear_bounds(lambda x: doubled(x) - x, Interval(torch.tensor([[-1.0]]), torch.tensor([[1.0]]))).upper
        tensor([[1.]])
    """
    return RULES.register(*functions)


def node_of(call: Call) -> Node:
    """By the call's rule; without one, a box of its interval bounds, free of what it came from."""
    rule = RULES.get(call.function)
    node: Node | None = None if rule is None else rule(call, *call.args, **call.kwargs)
    return Leaf(call.output) if node is None else node
