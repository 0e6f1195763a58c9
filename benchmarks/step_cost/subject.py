"""What is measured: a model, a batch, and the model's split at each depth, written by hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

DEPTHS = (0, 25, 50, 75, 100)
"""In % of the layers; 100 is what feeds the last linear layer."""

INPUT = "input"


@dataclass(frozen=True)
class Stage:
    """A part of the model's forward.

    Attributes:
        layer: The submodule that returns the stage's result.
        run: The part itself, on what the stage before it returned.
    """

    layer: str
    run: Callable[[Any], Tensor]


@dataclass(frozen=True)
class Subject:
    """A model and its batch.

    Attributes:
        name: As on the command line.
        model: In training mode.
        inputs: A tensor, or keyword arguments.
        y: `[batch]`, class indices.
        stages: Compute the logits one after the other: the split that a user would write by hand.
        cuts: For each depth in %, how many stages f has; 0 where the latent is the input.
    """

    name: str
    model: nn.Module
    inputs: Any
    y: Tensor
    stages: tuple[Stage, ...]
    cuts: Mapping[int, int]

    def layer(self, depth: int) -> str:
        """The name of the layer at that depth."""
        cut = self.cuts[depth]
        return self.stages[cut - 1].layer if cut else INPUT

    def encode(self, depth: int) -> Any:
        """The latent f(x), by hand; the input itself where f is empty."""
        return self._through(self.stages[: self.cuts[depth]], self.inputs)

    def loss_from(self, depth: int, latent: Tensor) -> Tensor:
        """CE(g(z), y), by hand."""
        return cross_entropy(self._through(self.stages[self.cuts[depth] :], latent), self.y)

    def loss(self) -> Tensor:
        """CE of the model's own forward."""
        return self._loss(self.inputs)

    def loss_with(self, depth: int, change: Callable[[Tensor], Tensor]) -> Tensor:
        """CE of the model's own forward, a hook having put `change(z)` in place of the latent z."""
        if not self.cuts[depth]:
            return self._loss(change(self.inputs))
        module = self.model.get_submodule(self.layer(depth))
        handle = module.register_forward_hook(lambda module, args, output: change(output))
        try:
            return self._loss(self.inputs)
        finally:
            handle.remove()

    def _loss(self, inputs: Any) -> Tensor:
        output = self.model(**inputs) if isinstance(inputs, dict) else self.model(inputs)
        return cross_entropy(output if isinstance(output, Tensor) else output.logits, self.y)

    @staticmethod
    def _through(stages: tuple[Stage, ...], value: Any) -> Any:
        for stage in stages:
            value = stage.run(value)
        return value
