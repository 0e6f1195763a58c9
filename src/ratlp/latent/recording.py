"""What one encoding leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from ratlp.errors import LayerError
from ratlp.latent.trees import alias, copied, map_tensors, swapped, tensors


@dataclass(frozen=True)
class Answer:
    """What a module returned.

    Attributes:
        module: The module.
        output: Its output, in containers of its own.
        changed: Whether the model's own code changes the output in place later, so that it must be copied.
    """

    module: nn.Module
    output: Any
    changed: bool

    def hand_out(self) -> Any:
        """The output anew: other tensor objects and containers, which the model may do anything to."""
        return map_tensors(copied if self.changed else alias, self.output)


@dataclass(frozen=True)
class Recording:
    """All that a replay needs.

    Attributes:
        inputs: The model's inputs: a tensor, a tuple or a mapping.
        latent: What is to be perturbed, `[batch, *latent]`.
        name: The name of the layer that was reached.
        finished: The outermost module calls that were complete before the layer returned, in order.
        layer: What the layer returned, the latent in it; None where the latent is the input.
        calls: How often each layer had been called by then.
    """

    inputs: Any
    latent: Tensor
    name: str
    finished: tuple[Answer, ...] = ()
    layer: Answer | None = None
    calls: dict[nn.Module, int] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Recording":
        """The recording with `function` applied to each tensor but the latent."""

        def on_tensors(tree: Any) -> Any:
            return map_tensors(lambda tensor: tensor if tensor is self.latent else function(tensor), tree)

        def on_answer(answer: Answer) -> Answer:
            return replace(answer, output=on_tensors(answer.output))

        return replace(
            self,
            inputs=on_tensors(self.inputs),
            finished=tuple(map(on_answer, self.finished)),
            layer=self.layer and on_answer(self.layer),
        )

    def with_latent(self, latent: Tensor) -> "Recording":
        """The recording with another latent in the layer's output, or in the inputs."""
        if self.layer is None:
            return replace(self, latent=latent, inputs=swapped(self.inputs, self.latent, latent))
        output = swapped(self.layer.output, self.latent, latent)
        return replace(self, latent=latent, layer=replace(self.layer, output=output))

    def answers(self) -> tuple[Answer, ...]:
        """What every module up to the layer returned, the layer last."""
        return self.finished if self.layer is None else (*self.finished, self.layer)


class Versions:
    """How often tensors had been changed in place at one moment."""

    def __init__(self) -> None:
        self._noted: list[tuple[Any, Tensor, int]] = []

    def note(self, owner: Any, tree: Any) -> None:
        """Note the tensors of a tree under a name or a module."""
        self._noted += [(owner, t, t._version) for t in tensors(tree) if not t.is_inference()]

    def changed(self) -> set[Any]:
        """The owners of tensors that have been changed since."""
        return {owner for owner, tensor, version in self._noted if tensor._version != version}


def changed_in_place(name: str) -> LayerError:
    """What to say where the model changes a recorded tensor that it did not change the first time."""
    return LayerError(
        "what modules returned up to the layer must stay as it is; the forward changes an output of "
        f"{name} in place (such as x += ...), which it did not do on the first batch: write x = x + ..., or "
        "choose an earlier layer"
    )
