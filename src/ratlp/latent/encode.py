"""What modules do while a batch is encoded: run, be recorded, and stop at the layer."""

import sys
from collections.abc import Collection, Iterator, Sequence
from types import FrameType
from typing import Any

import torch
import torch.utils.checkpoint
from torch import nn

from ratlp.errors import LayerError
from ratlp.latent.calls import Call
from ratlp.latent.layers import Layer
from ratlp.latent.recording import Answer, Recording, Versions
from ratlp.latent.replay import latent_of
from ratlp.latent.trees import alias, map_tensors, swapped


class Reached(BaseException):
    """Stops the forward at the layer; a BaseException, so that no `except Exception` in a model holds it."""

    def __init__(self, name: str, answer: Answer) -> None:
        super().__init__()
        self.name = name
        self.answer = answer


class Encoding:
    """The handler of one encoding.

    Args:
        layers: All layers of the cut.
        around: The modules that contain a layer.
        changed: The modules whose outputs the model's own code changes in place.
    """

    def __init__(self, layers: Sequence[Layer], around: Collection[nn.Module], changed: Collection[nn.Module]) -> None:
        self.versions = Versions()
        self._layers = layers
        self._around = around
        self._changed = changed
        self._finished: list[Answer] = []
        self._calls = {layer.module: 0 for layer in layers if layer.module is not None}
        self._inside = False  # of a module that stands for everything that it calls
        self._grad = torch.is_grad_enabled()
        self._hooks = _saved_tensor_hooks()

    def __call__(self, module: nn.Module, original: Call, args: Any, kwargs: Any) -> Any:
        """The output of the call, recorded."""
        if self._inside:
            return original(*args, **kwargs)
        begun, self._inside = len(self._finished), module not in self._around
        try:
            output = original(*args, **kwargs)
        finally:
            self._inside = False
        del self._finished[begun:]
        if module not in self._around:
            self._check_context(type(module).__name__)
        if isinstance(output, Iterator):
            raise LayerError(
                "what modules return up to the layer must be there to be handed out again; "
                f"{type(module).__name__} returned a {type(output).__name__}: return a list or a tuple"
            )
        answer = Answer(module, map_tensors(lambda tensor: tensor, output), module in self._changed)
        if module in self._calls:
            self._calls[module] += 1
            for layer in self._layers:
                if layer.is_call(module, self._calls[module]):
                    self._check_context(repr(layer.name))
                    raise Reached(layer.name, answer)
        self._finished.append(answer)
        self.versions.note(module, output)
        return answer.hand_out()

    def recording(self, inputs: Any, reached: Reached) -> Recording:
        """What the encoding leaves behind."""
        module, output = reached.answer.module, reached.answer.output
        found = latent_of(module, output)
        latent = alias(found)  # a tensor of its own, also where the layer returns its input
        layer = Answer(module, swapped(output, found, latent), reached.answer.changed)
        return Recording(inputs, latent, reached.name, tuple(self._finished), layer, self._calls)

    def _check_context(self, name: str) -> None:
        """What is answered later must not lie inside a checkpoint, which would run it again by itself."""
        if torch.is_grad_enabled() != self._grad and "checkpoint" in _checkpoint_frames():
            raise LayerError(
                "the layer, and what runs before it, must not lie inside a reentrant activation checkpoint, which "
                f"runs without gradients; {name} does: use use_reentrant=False"
            )
        if _saved_tensor_hooks() is not self._hooks and not _is_checkpointed_itself():
            raise LayerError(
                "the layer, and what runs before it, must not lie inside an activation checkpoint with more in it, "
                f"which would run it again without its perturbation; {name} does: checkpoint whole blocks, and "
                "choose a block or a layer outside"
            )


def _saved_tensor_hooks() -> Any:
    """What saves tensors for backward at this moment, such as a checkpoint; None for autograd itself."""
    hooks = torch._C._autograd._top_saved_tensors_default_hooks(True)
    return hooks and hooks[0]


def _checkpoint_frames() -> list[str]:
    """The functions of torch's checkpoint module among the callers, innermost first."""
    frame: FrameType | None = sys._getframe(1)
    names = []
    while frame is not None:
        if frame.f_code.co_filename == torch.utils.checkpoint.__file__:
            names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


def _is_checkpointed_itself() -> bool:
    """Whether the module in whose handler we are is the whole of one checkpoint, called by nothing else of it."""
    frame = sys._getframe(1)
    while frame.f_code is not nn.Module._wrapped_call_impl.__code__ and frame.f_back is not None:
        frame = frame.f_back
    caller = frame.f_back
    if caller is None or caller.f_code.co_filename != torch.utils.checkpoint.__file__:
        return False
    return caller.f_code.co_name == "checkpoint" and _checkpoint_frames().count("checkpoint") == 1
