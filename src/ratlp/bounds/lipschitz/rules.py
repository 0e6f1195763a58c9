"""The Lipschitz constant of one module: a rule for each module type, in a registry that users extend."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ratlp.bounds.registry import Registry, Rule, is_module_type
from ratlp.bounds.rounding import in_float64
from ratlp.errors import BoundError
from ratlp.perturbations import Norm

Shape = tuple[int, ...]
"""What a module takes, with a batch of one: `(1, *input)`."""

_COMPUTING = ("forward", "_conv_forward")
"""The methods of torch's modules that say what they compute: weight standardisation overrides the second."""

LipschitzRule = Callable[..., float]
"""rule(module, norm, shape) gives the constant; `shape` is that of the module's input, None where unknown."""

RULES = Registry("lipschitz_rule", "a type of modules", "torch.nn.ReLU", is_module_type)


def lipschitz_rule(*types: type[nn.Module]) -> Callable[[Rule], Rule]:
    """Register the constants of modules of these types; the rule is called with the module, the norm and the shape.

    A rule is sound if it gives a constant L with ||m(x) - m(x')|| <= L * ||x - x'|| for all x and x', both norms taken
    over all coordinates, for the module as it is (its weights, its mode). It raises `BoundError` where it knows none.
    A subclass inherits the rule unless it has a `forward` or a `_conv_forward` of its own.

    Args:
        types: Types of modules, such as `torch.nn.ReLU`, or of one's own.

    Raises:
        InputError: One of them is no type of modules, or has a Lipschitz rule.

    Example:
        >>> class Halved(nn.Module):
        ...     def forward(self, x):
        ...         return torch.sin(x) / 2
        >>> @lipschitz_rule(Halved)
        ... def _halved(module, norm, shape):
        ...     return 0.5
        >>> from ratlp.bounds import lipschitz_bound
        >>> lipschitz_bound(nn.Sequential(Halved(), Halved()), norm="l2")
        0.25
    """
    return RULES.register(*types)


def find_rule(module: nn.Module) -> LipschitzRule | None:
    """The rule for the module; None where there is none for the forward that it runs.

    Example:
        >>> find_rule(nn.Linear(2, 3)) is None, find_rule(nn.Bilinear(2, 3, 4)) is None
        (False, True)
    """
    for type_ in type(module).__mro__:
        if issubclass(type_, nn.Module) and type_ in RULES:
            return None if any(_is_own(module, type_, name) for name in _COMPUTING) else RULES[type_]
    return None


def _is_own(module: nn.Module, type_: type[nn.Module], name: str) -> bool:
    """Whether the method of that name is another than that of `type_`, by a subclass or on the module itself."""
    return name in vars(module) or getattr(type(module), name, None) is not getattr(type_, name, None)


def weights_of(module: nn.Module, name: str = "weight") -> Tensor:
    """A parameter or buffer of a module in float64, for rules.

    Raises:
        BoundError: An entry is not finite.

    Example:
        >>> weights_of(nn.Linear(2, 3)).dtype
        torch.float64
    """
    weights = in_float64(getattr(module, name))
    if not torch.isfinite(weights).all():
        raise BoundError(
            f"a Lipschitz bound needs finite weights; found inf or nan in {name} of {type(module).__name__}"
        )
    return weights


def refused(module: nn.Module, norm: Norm, reason: str) -> BoundError:
    """What a rule raises where it knows no constant.

    Example:
        >>> raise refused(nn.Hardshrink(), "linf", "it jumps")
        Traceback (most recent call last):
        ratlp.errors.BoundError: no linf Lipschitz bound of Hardshrink: it jumps
    """
    return BoundError(f"no {norm} Lipschitz bound of {type(module).__name__}: {reason}")
