"""Cut a model at a layer: encode a batch once, then replay only what comes after the layer."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from ratlp.errors import LayerError
from ratlp.latent.batch import call_model, logits_of
from ratlp.latent.calls import Call, Handler, is_compiled, outside_compiled_code, stepping_in
from ratlp.latent.layers import INPUT, Layer, embeddings
from ratlp.latent.recording import Recording, changed_in_place, swapped
from ratlp.latent.replay import Replay, Tap, latent_of, never_called


class Cut:
    """A model and the layer whose output is the latent: `model = g after f`, f up to the layer.

    The model is neither traced nor copied. `encode` runs the model's own forward until the layer has returned
    and stops it there; `replay` runs the same forward again while every module that had finished before the
    layer returns what it returned the first time, and the layer itself returns the latent that the caller
    chose. Connections across the layer keep working.

    Several layers may be given. The one that returns first is the cut; the others are *taps*: in a replay, a
    function of the caller's sees and replaces what they return.

    Args:
        model: Any module.
        layers: Names of submodules as in `model.named_modules()`; "name#2" for the second call of a module that
            a forward calls more than once; "input" for the model's first input.

    Raises:
        LayerError: A name is unknown, or given twice.

    Example:
        >>> import torch
        >>> model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> cut = Cut(model, ["1"])
        >>> x = torch.randn(5, 2)
        >>> recording = cut.encode(x)
        >>> recording.latent.shape
        torch.Size([5, 8])
        >>> torch.equal(cut.replay(recording), model(x))
        True
    """

    def __init__(self, model: nn.Module, layers: Sequence[str]) -> None:
        self.model = model
        self.layers = tuple(Layer.find(model, name) for name in layers)
        if not layers or len({(layer.module, layer.call) for layer in self.layers}) < len(layers):
            raise LayerError(f"layers must be one or more different ones; found {list(layers)}")
        self._around = {
            module
            for module in model.modules()
            for inner in module.modules()
            if inner is not module and any(inner is layer.module for layer in self.layers)
        }

    def encode(self, inputs: Any) -> Recording:
        """Run the model on `inputs` until the first of the layers has returned.

        Returns:
            The recording; its latent is attached to the graph of f.

        Raises:
            LayerError: The forward never calls a layer, or its output does not begin with a floating tensor.
        """
        if any(layer.module is None for layer in self.layers):
            return self._encoded_input(inputs)
        finished: list[tuple[nn.Module, Any]] = []
        calls = self._no_calls()

        def record(module: nn.Module, original: Call, args: Any, kwargs: Any) -> Any:
            begun = len(finished)
            output = original(*args, **kwargs)
            del finished[begun:]  # a finished module stands for everything that it called
            if module in calls:
                calls[module] += 1
                for layer in self.layers:
                    if layer.is_call(module, calls[module]):
                        raise _Reached(layer.name, module, output)
            finished.append((module, output))
            return output

        try:
            with stepping_in(self._everywhere(record)):
                call_model(self.model, inputs)
        except _Reached as reached:
            found = latent_of(reached.module, reached.output)
            latent = found.view_as(found)  # a tensor of its own, also where the layer returns its input
            layer = (reached.module, swapped(reached.output, found, latent))
            return Recording(inputs, latent, reached.name, tuple(finished), layer, calls)
        raise never_called(*(layer.name for layer in self.layers))

    def replay(self, recording: Recording, *, taps: Mapping[str, Tap] | None = None) -> Tensor:
        """The model's logits when the layer returns `recording.latent` and all before it what it returned.

        Only the modules after the layer run. Forward code between modules runs again, which is cheap where the
        work lies in modules.

        Args:
            recording: From `encode`; `recording.with_latent(z)` perturbs it.
            taps: For further layers, by name, what they return in place of their latent, as a function of it.

        Raises:
            LayerError: The forward took another path than when it was recorded, changed in place what was
                recorded, or calls a layer once more than its name says.
        """
        versions = recording.versions()
        handler = Replay(recording, self.layers, dict(taps or {}))
        modules = {module for module, _ in recording.finished} | self._no_calls().keys()
        try:
            with stepping_in(self._uncompiled(dict.fromkeys(modules, handler))):
                output = call_model(self.model, recording.inputs)
        except RuntimeError as error:
            if "a leaf Variable that requires grad" in str(error):
                raise changed_in_place("a module") from error
            raise
        recording.check_unchanged(versions)
        handler.check_complete()
        return logits_of(output)

    def _no_calls(self) -> dict[nn.Module, int]:
        return {layer.module: 0 for layer in self.layers if layer.module is not None}

    def _everywhere(self, handler: Handler) -> dict[nn.Module, Handler]:
        """The handler for every module but those inside compiled code, which nobody can step into."""
        handlers: dict[nn.Module, Handler] = {}
        waiting = [self.model]
        while waiting:
            module = waiting.pop()
            handlers[module] = handler
            if module in self._around or not is_compiled(module):
                waiting += module.children()
        return self._uncompiled(handlers)

    def _uncompiled(self, handlers: dict[nn.Module, Handler]) -> dict[nn.Module, Handler]:
        """Compiled modules around a layer run their own forward instead, so that the layer is called at all."""
        around = {module: outside_compiled_code(handlers.get(module)) for module in self._around if is_compiled(module)}
        return {**handlers, **around}

    def _encoded_input(self, inputs: Any) -> Recording:
        found = next((leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)), None)
        if found is not None and found.is_floating_point():
            latent = found.view_as(found)
            return Recording(swapped(inputs, found, latent), latent, INPUT, calls=self._no_calls())
        names = ", ".join(map(repr, embeddings(self.model)[:3])) or "the first layer that gives floats"
        what = "no tensor" if found is None else f"{found.dtype}, such as token ids"
        raise LayerError(
            f"layer 'input' needs an input that begins with a floating tensor; found {what}: "
            f"use the embedding layer instead: {names}"
        )


class _Reached(BaseException):
    """Stops the forward at the layer; a BaseException, so that no `except Exception` in a model holds it."""

    def __init__(self, name: str, module: nn.Module, output: Any) -> None:
        super().__init__()
        self.name = name
        self.module = module
        self.output = output
