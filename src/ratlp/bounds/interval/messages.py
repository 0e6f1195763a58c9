"""Words for what a rule refuses: which function, and where it was called."""

import sys
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.bounds.names import name_of

_ASK_FOR_A_VALUE = frozenset(
    getattr(Tensor, name)
    for name in (
        *("item", "tolist", "numpy", "__array__", "__bool__", "__float__", "__int__", "__index__", "__complex__"),
        *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "eq", "ne", "lt", "le", "gt", "ge", "equal"),
        *("allclose", "isclose", "any", "all", "nonzero", "argmax", "argmin", "argsort", "long", "int", "bool"),
    )
) | {torch.argmax, torch.argmin, torch.argsort, torch.equal, torch.eq, torch.ne, torch.lt, torch.le, torch.gt, torch.ge}


def whereabouts() -> str:
    """The innermost module whose code is running, by its name in the outermost.

    Example:
        >>> whereabouts()
        'outside any module'
    """
    running = list(_running_modules())
    if not running:
        return "outside any module"
    kind = type(running[0]).__name__
    names = [name for outer in reversed(running) for name, module in outer.named_modules() if module is running[0]]
    return f"in {kind} {names[0]!r}" if names and names[0] else f"in {kind}"


def _running_modules() -> Iterator[nn.Module]:
    """From the innermost call outwards; a module is the first argument of its own functions, whatever its name."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        owner = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
        if isinstance(owner, nn.Module):
            yield owner
        frame = frame.f_back  # type: ignore[assignment]


def no_rule(function: Any) -> str:
    """What to say of a function that has no rule."""
    if function in _ASK_FOR_A_VALUE:
        return (
            f"an interval has no single value to read, compare or convert; found {name_of(function)} called "
            f"{whereabouts()}: take .lower or .upper outside the model, or write it with torch.where and torch.clamp"
        )
    return (
        f"every function that a model calls needs an interval rule; there is none for {name_of(function)}, called "
        f"{whereabouts()}: register one with @ratlp.bounds.interval_rule"
    )


def no_argument(function: Any) -> str:
    """What to say of an interval where a function's rule expects an ordinary argument."""
    return (
        f"the interval rule of {name_of(function)} takes one interval, as its first argument; found another "
        f"distribution of intervals over its arguments, called {whereabouts()}"
    )


def no_out(function: Any) -> str:
    """What to say of a tensor that is to hold the result: it could hold one bound only."""
    return (
        f"an ordinary tensor cannot hold an interval; found out= in a call of {name_of(function)}, made "
        f"{whereabouts()}: take what the function returns"
    )
