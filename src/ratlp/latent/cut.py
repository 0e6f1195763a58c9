"""Cut a model at a layer: encode a batch once, then replay only what comes after the layer."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import LayerError
from ratlp.latent.batch import call_model, described, first_input, logits_of
from ratlp.latent.buffers import Buffer
from ratlp.latent.calls import Handler, is_compiled, outside_compiled_code, stepping_in
from ratlp.latent.encode import Encoding, Reached
from ratlp.latent.layers import INPUT, Layer, embeddings
from ratlp.latent.recording import Recording, Versions, changed_in_place
from ratlp.latent.rehearsal import Rehearsal
from ratlp.latent.replay import Replay, Tap, never_called
from ratlp.latent.trees import alias, map_tensors, swapped, tensors


class Cut:
    """A model and the layer whose output is the latent: `model = g after f`, f up to the layer.

    The model is neither traced nor copied. `encode` runs the model's own forward until the layer has returned
    and stops it there; `replay` runs the same forward again while every module that had finished before the
    layer returns what it returned the first time, and the layer itself returns the latent that the caller
    chose. Connections across the layer keep working.

    Several layers may be given. The one that returns first is the cut; the others are *taps*: in a replay, a
    function of the caller's sees and replaces what they return.

    The first batch (in each mode, training and evaluation) is rehearsed: the model's own outputs, statistics and
    gradients are held against those of a replay, and a model that cannot be replayed is refused. The outputs that
    its own code changes in place (x += ...) are found, and copied from then on.

    Attributes:
        model: The model.
        names: The layers' names.
        moved: The buffers that a forward was found to move.

    Args:
        model: Any module.
        layers: Names of submodules as in `model.named_modules()`; "name#2" for the second call of a module that
            a forward calls more than once; "input" for the model's first input.

    Raises:
        LayerError: A name is unknown, or given twice.

    Example:
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
        self.names = tuple(layers)
        self.moved: set[Buffer] = set()
        self._layers: tuple[Layer, ...] = ()
        self._around: set[nn.Module] = set()
        self._changed: set[Any] = set()
        self._rehearsed: set[tuple[bool, bool]] = set()
        self._resolve()

    def encode(self, inputs: Any) -> Recording:
        """Run the model on `inputs` until the first of the layers has returned.

        Returns:
            The recording; its latent is attached to the graph of f.

        Raises:
            LayerError: The forward never calls a layer, or its output does not begin with a floating tensor.
        """
        inputs = dict(inputs) if isinstance(inputs, Mapping) else inputs
        self.rehearse(inputs)
        return self._encode_anew(inputs)

    def rehearse(self, inputs: Any) -> None:
        """Rehearse this batch now if none has been in this mode; otherwise `encode` does it.

        Raises:
            LayerError: The model cannot be replayed from the layer.
        """
        self._resolve()
        mode = (self.model.training, torch.is_grad_enabled())
        if mode not in self._rehearsed:
            self._rehearse(inputs)
            self._rehearsed.add(mode)

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
        versions = Versions()
        versions.note("the input", () if INPUT in self._changed else recording.inputs)
        for answer in recording.answers():
            kept = [t for t in tensors(answer.output) if not answer.changed and t is not recording.latent]
            versions.note(type(answer.module).__name__, kept)
        try:
            logits = self._replay(recording, dict(taps or {}))
        except RuntimeError as error:
            if "leaf Variable that requires grad" in str(error):
                raise changed_in_place("a module") from error
            raise
        for name in versions.changed():
            raise changed_in_place(name)
        return logits

    def _encode(self, inputs: Any, handler: Encoding) -> Recording:
        if any(layer.module is None for layer in self._layers):
            return self._encoded_input(inputs)
        try:
            with stepping_in(self._everywhere(handler)):
                call_model(self.model, self._own(inputs))
        except Reached as reached:
            return handler.recording(inputs, reached)
        raise never_called(*self.names)

    def _replay(self, recording: Recording, taps: dict[str, Tap]) -> Tensor:
        handler = Replay(recording, self._layers, self._around, taps)
        with stepping_in(self._everywhere(handler)):
            output = call_model(self.model, self._own(recording.inputs))
        handler.check_complete()
        return logits_of(output)

    def _rehearse(self, inputs: Any) -> None:
        """Find what the model's own code changes in place and which buffers move; refuse what cannot be replayed."""
        rehearsal = Rehearsal(self.model, inputs)
        # Added to what other modes have shown: training goes on after an evaluation.
        self._changed |= rehearsal.run(self._changed_in_place)
        self.moved |= rehearsal.compare(lambda copied: self._replay_attached(self._encode_anew(copied)))

    def _changed_in_place(self, inputs: Any) -> set[Any]:
        """The modules whose outputs the model's own code changes in place, and "input" if it does so there."""
        versions = Versions()
        versions.note(INPUT, inputs)
        handler = Encoding(self._layers, self._around, ())
        self._replay_attached(self._encode(inputs, handler))
        return handler.versions.changed() | versions.changed()

    def _encode_anew(self, inputs: Any) -> Recording:
        return self._encode(inputs, Encoding(self._layers, self._around, self._changed))

    def _replay_attached(self, recording: Recording) -> Tensor:
        return self._replay(recording.with_latent(recording.latent.clone()), {})

    def _own(self, inputs: Any) -> Any:
        """The inputs in containers of their own, and as copies where the model changes them in place."""
        return map_tensors(torch.clone if INPUT in self._changed else _itself, inputs)

    def _resolve(self) -> None:
        """Find the layers, anew each time: modules may have been exchanged since."""
        layers = tuple(Layer.find(self.model, name) for name in self.names)
        if layers == self._layers and layers:
            return
        if not layers or len({(layer.module, layer.call) for layer in layers}) < len(layers):
            raise LayerError(f"layers must be one or more different ones; found {list(self.names)}")
        wanted = {layer.module for layer in layers}
        self._layers = layers
        self._around = {
            module
            for module in self.model.modules()
            for inner in module.modules()
            if inner is not module and inner in wanted
        }
        self._rehearsed, self._changed, self.moved = set(), set(), set()

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
        compiled = (module for module in self._around if is_compiled(module))
        around = {module: outside_compiled_code(handlers.get(module)) for module in compiled}
        return {**handlers, **around}

    def _encoded_input(self, inputs: Any) -> Recording:
        found = first_input(inputs)
        if found is not None and found.is_floating_point():
            latent = alias(found)
            calls = {layer.module: 0 for layer in self._layers if layer.module is not None}
            return Recording(swapped(inputs, found, latent), latent, INPUT, calls=calls)
        names = ", ".join(map(repr, embeddings(self.model)[:3])) or "the first layer that gives floats"
        raise LayerError(
            f"layer 'input' needs an input that begins with a floating tensor; found {described(found)}: "
            f"use the embedding layer instead: {names}"
        )


def _itself(tensor: Tensor) -> Tensor:
    return tensor
