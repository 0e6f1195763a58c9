"""The interval rule of a torch function, in a registry that users extend."""

from collections.abc import Callable
from typing import Any

from ratlp.bounds.registry import Registry, Rule, is_function

RULES = Registry("interval_rule", "a function", "torch.relu", is_function)
TAKE_INTERVALS_ANYWHERE: set[Any] = set()


def interval_rule(*functions: Any, anywhere: bool = False) -> Callable[[Rule], Rule]:
    """Register what functions do to intervals; the rule is called with the function's own arguments.

    A rule is sound if its result contains the function's value at every choice of points from the intervals that
    it is given, whatever the others are.

    Args:
        functions: Torch functions and methods, such as `torch.relu` and `torch.Tensor.relu`, or functions of one's
            own that tensors can override (`torch.overrides.wrap_torch_function`).
        anywhere: Whether intervals may be any of the arguments. Otherwise the first one is the only interval, and
            calls with others are refused before they reach the rule.

    Raises:
        InputError: One of them is no function, or has an interval rule.

    Example:
        >>> import torch
        >>> from ratlp.bounds import Interval
        >>> @interval_rule(torch.trunc)  # monotone, so the bounds' images bound the image
        ... def trunc(x):
        ...     return Interval(torch.trunc(x.lower), torch.trunc(x.upper))
        >>> torch.trunc(Interval(torch.tensor([-1.5]), torch.tensor([2.5]))).upper
        tensor([2.])
    """
    register = RULES.register(*functions)

    def decorate(rule: Rule) -> Rule:
        TAKE_INTERVALS_ANYWHERE.update(functions if anywhere else ())
        return register(rule)

    return decorate
