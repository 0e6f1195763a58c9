"""Known architectures: builders whose nets remember how they were built, so that a file can say it.

>>> from ratlp.models import architecture_of, small_cnn
>>> architecture_of(small_cnn((1, 8, 8)))
Architecture(name='small_cnn', arguments={'image': (1, 8, 8), 'classes': 10})
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from numbers import Integral
from typing import Any, ParamSpec, TypeVar

from torch import nn

from ratlp.errors import InputError

P = ParamSpec("P")
Net = TypeVar("Net", bound=nn.Module)

DEEPEST = 20
"""How deep a builder's arguments may be nested."""

_RECORD = "_ratlp_architecture"


@dataclass(frozen=True)
class Architecture:
    """How a net was built.

    Attributes:
        name: The builder's name in the registry.
        arguments: All its arguments, defaults included.

    Example:
        >>> Architecture("mlp", {"features": 2, "classes": 2}).name
        'mlp'
    """

    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class _Builder:
    build: Callable[..., nn.Module]
    signature: inspect.Signature
    named: Mapping[str, Mapping[str, object]]


_BUILDERS: dict[str, _Builder] = {}


def register(
    name: str, *, named: Mapping[str, Mapping[str, object]] | None = None
) -> Callable[[Callable[P, Net]], Callable[P, Net]]:
    """Make a builder of nets known by a name, so that `ratlp.save` and `ratlp.load` can handle what it returns.

    The builder's arguments must be what JSON can hold (numbers, texts, None, sequences, mappings with text as
    keys; nested at most 20 deep), but for those in `named`. Sequences reach the builder as tuples when a file is
    loaded. The builder must depend on its arguments alone, and build under `torch.device("meta")`. The module
    that registers it must have been imported before a file that names it is loaded.

    Args:
        name: For files; no two builders share one.
        named: For arguments that are no plain values: the argument's name, and what it may be, by name.

    Returns:
        The decorator.

    Raises:
        InputError: The name is taken, or the builder takes arguments that have no name. When the builder is
            called: it does not return a module.

    Example:
        >>> @register("example_head")
        ... def head(latent: int, *, classes: int = 10) -> nn.Linear:
        ...     return nn.Linear(latent, classes)
        >>> architecture_of(head(8))
        Architecture(name='example_head', arguments={'latent': 8, 'classes': 10})
    """

    def decorate(build: Callable[P, Net]) -> Callable[P, Net]:
        signature = inspect.signature(build)
        _check_registrable(name, build, signature)

        @wraps(build)
        def recorded(*args: P.args, **kwargs: P.kwargs) -> Net:
            net = build(*args, **kwargs)
            if not isinstance(net, nn.Module):
                raise InputError(
                    f"the builder {name!r} must return a torch.nn.Module; found {type(net).__name__}: correct it"
                )
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            arguments = {key: plain(value) for key, value in bound.arguments.items()}
            setattr(net, _RECORD, Architecture(name, arguments))
            return net

        _BUILDERS[name] = _Builder(recorded, signature, named or {})
        return recorded

    return decorate


def architecture_of(model: nn.Module) -> Architecture | None:
    """How a registered builder made this net; None if none did. A copy remembers it too.

    Example:
        >>> architecture_of(nn.Linear(2, 2)) is None
        True
    """
    found: Architecture | None = vars(model).get(_RECORD)  # not of the net inside a wrapper
    return found


def encode(architecture: Architecture) -> dict[str, Any]:
    """The arguments with names in place of what is registered as `named`.

    Raises:
        InputError: Such an argument is none of those that have a name, or the builder is not known any more.

    Example:
        >>> from ratlp.models import mlp
        >>> encode(architecture_of(mlp(2, classes=2, latent_activation=nn.ReLU)))["latent_activation"]
        'relu'
    """
    arguments = dict(architecture.arguments)
    for key, choices in _known(architecture.name).named.items():
        names = [name for name, choice in choices.items() if choice is arguments[key]]
        if not names:
            raise InputError(
                f"{architecture.name}'s {key} must be one of those with a name, {', '.join(choices)}, for a file to "
                f"say it; found {arguments[key]!r}: use one of them, or register a builder of your own"
            )
        arguments[key] = names[0]
    return arguments


def build(name: str, arguments: Mapping[str, Any]) -> nn.Module:
    """Build a net from what `encode` gave.

    Args:
        name: The builder's name.
        arguments: What a file says; not trusted.

    Raises:
        InputError: No builder has the name, it has no such arguments, or it cannot build with these.

    Example:
        >>> build("mlp", {"features": 2, "classes": 2, "hidden": [4]}).encoder[0]
        Linear(in_features=2, out_features=4, bias=True)
    """
    builder = _known(name)
    unknown = sorted(arguments.keys() - builder.signature.parameters.keys())
    if unknown:
        raise InputError(
            f"{name} takes {', '.join(builder.signature.parameters)}; found {str(unknown)[:200]}: remove them"
        )
    chosen = {
        key: _choice(f"{name}'s {key}", arguments[key], choices)
        for key, choices in builder.named.items()
        if key in arguments
    }
    try:
        return builder.build(**{key: plain(value) for key, value in arguments.items()} | chosen)
    except Exception as error:  # a builder may raise anything on what it does not expect
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name} must be built with arguments that fit; found {reason[:200]}: check them") from error


def plain(value: Any, *, depth: int = DEEPEST) -> Any:
    """A value that no caller can change later: sequences as tuples, whole numbers of any kind as int.

    Raises:
        InputError: It is nested more than `depth` deep.

    Example:
        >>> plain([2, [3]])
        (2, (3,))
    """
    if depth < 0:
        raise InputError(f"a builder's arguments must be nested at most {DEEPEST} deep; found deeper: flatten them")
    if isinstance(value, list | tuple):
        return tuple(plain(one, depth=depth - 1) for one in value)
    if isinstance(value, Mapping):
        return {key: plain(one, depth=depth - 1) for key, one in value.items()}
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _known(name: str) -> _Builder:
    if name not in _BUILDERS:
        raise InputError(
            f"the architecture must be one of {', '.join(sorted(_BUILDERS))}; found {name[:80]!r}: import the module "
            "that registers it first"
        )
    return _BUILDERS[name]


def _choice(what: str, name: object, choices: Mapping[str, object]) -> object:
    if not isinstance(name, str) or name not in choices:
        raise InputError(f"{what} must be one of {', '.join(choices)}; found {name!r}: choose one of them")
    return choices[name]


def _check_registrable(name: str, build: Callable[..., nn.Module], signature: inspect.Signature) -> None:
    earlier = _BUILDERS.get(name)
    if earlier and _origin(earlier.build) != _origin(build):  # a module or a cell may run twice
        raise InputError(
            f"an architecture's name must be free; found {name!r}, which is {'.'.join(_origin(earlier.build))}: "
            "choose another"
        )
    nameless = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for parameter in signature.parameters.values():
        if parameter.kind in nameless:
            raise InputError(
                f"a builder's arguments must each have a name, for a file to say them; found {str(parameter)!r} in "
                f"{name!r}: name them"
            )


def _origin(build: Callable[..., nn.Module]) -> tuple[str, str]:
    return build.__module__, build.__qualname__
