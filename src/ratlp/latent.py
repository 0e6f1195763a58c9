"""Cut a model at a layer: encode a batch once, then replay only what comes after the layer.

The model is neither traced nor copied. `Cut.encode` runs the model's own forward until the layer has returned
and stops it there; `Cut.replay` runs the same forward again while every module that had finished before the
layer returns what it returned the first time, and the layer itself returns the latent that the caller chose.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from torch import Tensor, nn

from ratlp.errors import LayerError


@dataclass(frozen=True)
class Recording:
    """What one encoding leaves behind: all that a replay needs.

    Attributes:
        inputs: The positional inputs of the model.
        latent: The layer's output, `[batch, *latent]`.
        finished: The outermost module calls that were complete before the layer returned, in order, each
            with its output.
    """

    inputs: tuple[Any, ...]
    latent: Tensor
    finished: tuple[tuple[nn.Module, Any], ...]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Recording":
        """The recording with `function` applied to each tensor in the inputs and the finished outputs."""
        finished = tuple((module, _map(function, output)) for module, output in self.finished)
        return replace(self, inputs=_map(function, self.inputs), finished=finished)

    def with_latent(self, latent: Tensor) -> "Recording":
        """The recording with another latent."""
        return replace(self, latent=latent)


class Cut:
    """A model and the layer whose output is the latent: `model = g after f`, f up to the layer.

    Args:
        model: Any module whose forward calls `layer` once.
        layer: The name of a submodule, as in `model.named_modules()`.

    Raises:
        LayerError: `layer` is no submodule of `model`.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
        >>> cut = Cut(model, "1")
        >>> x = torch.randn(5, 2)
        >>> recording = cut.encode(x)
        >>> recording.latent.shape
        torch.Size([5, 8])
        >>> torch.equal(cut.replay(recording, recording.latent), model(x))
        True
    """

    def __init__(self, model: nn.Module, layer: str) -> None:
        self.model = model
        self.layer = layer
        self.module = _find(model, layer)

    def encode(self, *inputs: Any) -> Recording:
        """Run the model on `inputs` until the layer has returned.

        Returns:
            The recording; its latent is attached to the graph of f.

        Raises:
            LayerError: The forward never calls the layer, or the layer's output is not one floating tensor.
        """
        calls: list[tuple[nn.Module, Any]] = []
        open_calls: list[int] = []

        def enter(module: nn.Module, args: Any) -> None:
            open_calls.append(len(calls))

        def leave(module: nn.Module, args: Any, output: Any) -> None:
            # A finished module stands for everything that it called.
            del calls[open_calls.pop() :]
            if module is self.module:
                raise _Reached(output)
            calls.append((module, output))

        with ExitStack() as hooks:
            for module in self.model.modules():
                hooks.callback(module.register_forward_pre_hook(enter, prepend=True).remove)
                hooks.callback(module.register_forward_hook(leave).remove)
            try:
                self.model(*inputs)
            except _Reached as reached:
                latent = self._checked(reached.output)
                return Recording(inputs, latent, tuple(calls))
        raise LayerError(
            f"the layer must be called by the model's forward; {self.layer!r} was not: "
            "choose a layer that the forward uses"
        )

    def replay(self, recording: Recording, latent: Tensor) -> Tensor:
        """The model's output when the layer returns `latent` and all before it what it returned before.

        Only the modules after the layer run. Forward code between modules runs again, which is cheap where
        the work lies in modules.

        Raises:
            LayerError: The forward took another path than when it was recorded.
        """
        pending = deque([*recording.finished, (self.module, latent)])
        with _answering(pending):
            output = self.model(*recording.inputs)
        if pending:
            raise LayerError(
                f"the forward must take the same path each time; {len(pending)} of the modules that ran "
                f"up to {self.layer!r} were not called again: make the forward deterministic"
            )
        return output  # type: ignore[no-any-return]  # the model's own return value

    def _checked(self, output: Any) -> Tensor:
        if not isinstance(output, Tensor):
            found = type(output).__name__
        elif not output.is_floating_point():
            found = f"a tensor of {output.dtype}"
        else:
            return output
        raise LayerError(
            f"the layer's output must be one floating tensor; {self.layer!r} returned {found}: "
            "choose a layer that returns one"
        )


class _Reached(BaseException):
    """Stops the forward at the layer; a BaseException, so that no `except Exception` in a model holds it."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output


@contextmanager
def _answering(pending: deque[tuple[nn.Module, Any]]) -> Iterator[None]:
    """While open, each pending module answers its next call with the recorded output instead of running."""
    with ExitStack() as restore:
        for module in {module for module, _ in pending}:
            restore.callback(_replace_forward(module, pending))
        yield


def _replace_forward(module: nn.Module, pending: deque[tuple[nn.Module, Any]]) -> Callable[[], None]:
    own = vars(module).get("forward")  # set on the instance by some wrappers; to be put back as it was
    forward = module.forward
    answered: deque[Any] = deque()

    def answer(*args: Any, **kwargs: Any) -> Any:
        if not pending:
            return forward(*args, **kwargs)
        expected, output = pending.popleft()
        if expected is not module:
            raise LayerError(
                f"the forward must take the same path each time; {type(module).__name__} was called where "
                f"{type(expected).__name__} was before: make the forward deterministic"
            )
        answered.append(output)
        return output

    def override(module: nn.Module, args: Any, output: Any) -> Any:
        # The recorded output has been through the module's other hooks already.
        return answered.popleft() if answered else output

    module.forward = answer
    hook = module.register_forward_hook(override)

    def restore() -> None:
        hook.remove()
        if own is None:
            del module.forward
        else:
            module.forward = own

    return restore


def _find(model: nn.Module, layer: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(model.named_modules(remove_duplicate=False))
    del modules[""]
    if layer in modules:
        return modules[layer]
    near = get_close_matches(str(layer), modules, n=5, cutoff=0.4) or list(modules)[:10]
    names = ", ".join(map(repr, near)) or "none: the model has no submodules"
    raise LayerError(f"layer must name a submodule of the model; found {layer!r}. Names that fit: {names}")


def _map(function: Callable[[Tensor], Tensor], output: Any) -> Any:
    """`function` applied to each tensor in nested tuples, lists and dicts."""
    if isinstance(output, Tensor):
        return function(output)
    if isinstance(output, tuple) and hasattr(output, "_fields"):
        return type(output)(*(_map(function, item) for item in output))
    if isinstance(output, (tuple, list)):
        return type(output)(_map(function, item) for item in output)
    if isinstance(output, dict):
        return type(output)({key: _map(function, item) for key, item in output.items()})
    return output
