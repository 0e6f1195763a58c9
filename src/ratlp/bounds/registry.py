"""Where rules are kept: one for each function, or for each type of module."""

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

from ratlp.bounds.names import name_of
from ratlp.errors import InputError

Rule = TypeVar("Rule", bound=Callable[..., Any])


class Registry(dict[Any, Callable[..., Any]]):
    """Rules by what they are for, which has one rule each.

    Args:
        decorator: The name of the decorator that adds rules, for messages.
        one: What a rule is for, for messages, such as "a function".
        example: One of them, for messages.
        fits: Whether something is of that kind.

    Example:
        >>> rules = Registry("rule", "a type of modules", "torch.nn.ReLU", is_module_type)
        >>> @rules.register(nn.Flatten)
        ... def flattened(shape):
        ...     return (shape[0], -1)
        >>> rules[nn.Flatten]((5, 2, 2))
        (5, -1)
        >>> rules.register(nn.Flatten)
        Traceback (most recent call last):
        ratlp.errors.InputError: @rule takes what has no rule yet; found Flatten: use a type of modules of your own
    """

    def __init__(self, decorator: str, one: str, example: str, fits: Callable[[Any], bool]) -> None:
        super().__init__()
        self._decorator, self._one, self._example, self._fits = decorator, one, example, fits

    def register(self, *keys: Any) -> Callable[[Rule], Rule]:
        """A decorator that makes a function the rule for all of these.

        Raises:
            InputError: There are none, one is of another kind, or one has a rule.
        """
        if not keys:
            raise InputError(f"@{self._decorator} takes {self._one}, such as {self._example}; found none")
        for key in keys:
            if not self._fits(key):
                raise InputError(f"@{self._decorator} takes {self._one}, such as {self._example}; found {name_of(key)}")
            if key in self:
                raise InputError(
                    f"@{self._decorator} takes what has no rule yet; found {name_of(key)}: use {self._one} of your own"
                )

        def decorate(rule: Rule) -> Rule:
            self.update(dict.fromkeys(keys, rule))
            return rule

        return decorate


def is_function(value: Any) -> bool:
    """Whether a value is a function or a method, but no module, whose calls torch's functions do not see.

    Example:
        >>> is_function(len), is_function(nn.ReLU), is_function(nn.ReLU())
        (True, False, False)
    """
    return callable(value) and not isinstance(value, type | nn.Module)


def is_module_type(value: Any) -> bool:
    """Whether a value is a type of modules.

    Example:
        >>> is_module_type(nn.ReLU), is_module_type(nn.ReLU())
        (True, False)
    """
    return isinstance(value, type) and issubclass(value, nn.Module)
