"""Step in at the call of a module, outside its hooks and outside `torch.compile`."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.latent.batch import call_model
from ratlp.latent.trees import tensors

Call = Callable[..., Any]
Handler = Callable[[nn.Module, Call, tuple[Any, ...], dict[str, Any]], Any]
"""What to do in place of a call: handler(module, original, args, kwargs) gives the call's result."""


@contextmanager
def stepping_in(handlers: Mapping[nn.Module, Handler]) -> Iterator[None]:
    """While open, a call of each module goes to its handler, which may call the original or not.

    `nn.Module.__call__` asks for `_compiled_call_impl` first, which `nn.Module.compile` sets: that is the one
    place from which a call can be held back before its hooks run and before compiled code is entered (a hook
    registered after compilation silently does not fire). Whatever was set there is put back.

    Example:
        >>> import torch
        >>> layer = nn.Linear(2, 3)
        >>> with stepping_in({layer: lambda module, original, args, kwargs: 2 * original(*args, **kwargs)}):
        ...     doubled = layer(torch.ones(2))
        >>> torch.equal(doubled, 2 * layer(torch.ones(2)))
        True
    """
    before = {module: vars(module).get("_compiled_call_impl") for module in handlers}
    try:
        for module, handler in handlers.items():
            original = before[module] or module._call_impl
            object.__setattr__(module, "_compiled_call_impl", _bound(handler, module, original))
        yield
    finally:
        for module, compiled in before.items():
            if compiled is None:
                vars(module).pop("_compiled_call_impl", None)
            else:
                object.__setattr__(module, "_compiled_call_impl", compiled)


def _bound(handler: Handler, module: nn.Module, original: Call) -> Call:
    return lambda *args, **kwargs: handler(module, original, args, kwargs)


def is_compiled(module: nn.Module) -> bool:
    """Whether calls of the module run compiled code, into which nobody can step."""
    return vars(module).get("_compiled_call_impl") is not None or uncompiled(module) is not module


def uncompiled(module: nn.Module) -> nn.Module:
    """The module that `torch.compile(module)` wraps; the module itself where it is no such wrapper."""
    inner = getattr(module, "_orig_mod", None)
    return inner if isinstance(inner, nn.Module) else module


def outside_compiled_code(handler: Handler | None) -> Handler:
    """A handler whose original is the module's own forward, so that the modules inside are called one by one."""

    def handle(module: nn.Module, original: Call, args: Any, kwargs: Any) -> Any:
        inner = uncompiled(module)
        own: Call = module._call_impl if inner is module else inner
        return own(*args, **kwargs) if handler is None else handler(module, own, args, kwargs)

    return handle


@contextmanager
def own_forwards(model: nn.Module) -> Iterator[None]:
    """While open, what `torch.compile` has compiled of a model runs the modules' own Python.

    Example:
        >>> import torch
        >>> def refuse(graph, inputs):
        ...     raise AssertionError("compiled")
        >>> model = nn.Sequential(nn.ReLU())
        >>> model.compile(backend=refuse)
        >>> with own_forwards(model):
        ...     model(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    compiled = {module: outside_compiled_code(None) for module in model.modules() if is_compiled(module)}
    with stepping_in(compiled):
        yield


def last_taken(model: nn.Module, modules: Collection[nn.Module], inputs: Any) -> Tensor | None:
    """The first tensor that the last call of any of these modules takes in a forward: a copy, without a graph.

    What the model does to the tensor afterwards does not show. Modules inside compiled code are seen too.

    Returns:
        None where none of them is called, or the last call takes no tensor.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> last_taken(model, [model[1]], torch.ones(1, 2, 2))
        tensor([[1., 1., 1., 1.]])
    """
    taken: Tensor | None = None

    def keep(module: nn.Module, original: Call, args: Any, kwargs: Any) -> Any:
        nonlocal taken
        first = next(tensors((args, kwargs)), None)
        taken = None if first is None else first.detach().clone()
        return original(*args, **kwargs)

    inner = uncompiled(model)
    handlers = {m: outside_compiled_code(keep if m in modules else None) for m in inner.modules()}
    with torch.no_grad(), stepping_in(handlers):
        call_model(inner, inputs)
    return taken
