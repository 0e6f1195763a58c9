"""What modules do in a replay: answer from the recording up to the layer, run after it, and be tapped."""

from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import Any

from torch import Tensor, nn

from ratlp.errors import LayerError
from ratlp.latent.calls import Call
from ratlp.latent.layers import Layer
from ratlp.latent.recording import Recording
from ratlp.latent.trees import swapped, tensors

Tap = Callable[[Tensor], Tensor]
"""What a layer returns in place of its latent, as a function of it."""


class Replay:
    """The handler of one replay.

    Args:
        recording: What to answer up to the layer.
        layers: All layers of the cut.
        around: The modules that contain a layer.
        taps: By the name of a further layer.
    """

    def __init__(
        self,
        recording: Recording,
        layers: Sequence[Layer],
        around: Collection[nn.Module],
        taps: dict[str, Tap],
    ) -> None:
        self._pending = deque(recording.answers())
        self._around = around
        self._calls = dict(recording.calls)
        self._layers = layers
        self._taps = taps

    def __call__(self, module: nn.Module, original: Call, args: Any, kwargs: Any) -> Any:
        """The recorded output, or the output of the call, tapped."""
        if self._pending and self._pending[0].module is module:
            return self._pending.popleft().hand_out()
        if self._pending and module not in self._around:
            raise _other_path(f"{type(module).__name__} was called out of turn")
        output = original(*args, **kwargs)
        return self._tapped(module, output) if module in self._calls else output

    def check_complete(self) -> None:
        """Raise a LayerError if a recorded call or a tapped layer has been missed."""
        if self._pending:
            raise _other_path(f"{len(self._pending)} of the recorded calls were not made")
        if self._taps:
            raise never_called(*self._taps)

    def _tapped(self, module: nn.Module, output: Any) -> Any:
        self._calls[module] += 1
        for layer in self._layers:
            if layer.module is module and layer.call is None and self._calls[module] > 1:
                raise LayerError(
                    "a layer that the forward calls more than once needs the number of the call; "
                    f"{layer.name!r} is called again: choose '{layer.name}#1', '{layer.name}#2', ..."
                )
            if layer.is_call(module, self._calls[module]) and layer.name in self._taps:
                latent = latent_of(module, output)
                output = swapped(output, latent, self._taps.pop(layer.name)(latent))
        return output


def latent_of(module: nn.Module, output: Any) -> Tensor:
    """The first tensor of a layer's output.

    Raises:
        LayerError: There is none, or it is not a floating one.
    """
    found = next(tensors(output), None)
    if found is not None and found.is_floating_point():
        return found
    what = f"{type(output).__name__} without a tensor" if found is None else f"a tensor of {found.dtype}"
    raise LayerError(
        "the layer's output must be a floating tensor or begin with one; "
        f"{type(module).__name__} returned {what}: choose another layer"
    )


def never_called(*names: str) -> LayerError:
    """What to say of layers that a forward does not call."""
    listed = ", ".join(map(repr, names))
    return LayerError(
        f"the layer must be called by the model's forward; {listed} was not: choose a layer that the forward uses"
    )


def _other_path(found: str) -> LayerError:
    return LayerError(f"the forward must take the same path each time; {found}: make the forward deterministic")
