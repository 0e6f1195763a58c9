"""What one encoding leaves behind."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from ratlp.errors import LayerError


@dataclass(frozen=True)
class Recording:
    """All that a replay needs.

    Attributes:
        inputs: The model's inputs: a tensor, a tuple or a mapping.
        latent: What is to be perturbed, `[batch, *latent]`.
        finished: The outermost module calls that were complete before the layer returned, in order, each with
            its output.
        layer: The module whose output holds the latent, and that output; None where the latent is the input.
        calls: How often each layer had been called by then.
        name: The name of the layer that was reached.
    """

    inputs: Any
    latent: Tensor
    name: str
    finished: tuple[tuple[nn.Module, Any], ...] = ()
    layer: tuple[nn.Module, Any] | None = None
    calls: dict[nn.Module, int] = field(default_factory=dict)

    def map(self, function: Callable[[Tensor], Tensor]) -> "Recording":
        """The recording with `function` applied to each tensor but the latent."""

        def on_tensors(tree: Any) -> Any:
            return tree_map(lambda leaf: self._mapped(function, leaf), tree)

        layer = self.layer and (self.layer[0], on_tensors(self.layer[1]))
        finished = tuple((module, on_tensors(output)) for module, output in self.finished)
        return replace(self, inputs=on_tensors(self.inputs), finished=finished, layer=layer)

    def with_latent(self, latent: Tensor) -> "Recording":
        """The recording with another latent in the layer's output, or in the inputs."""
        if self.layer is None:
            return replace(self, latent=latent, inputs=swapped(self.inputs, self.latent, latent))
        module, output = self.layer
        return replace(self, latent=latent, layer=(module, swapped(output, self.latent, latent)))

    def versions(self) -> list[int]:
        """How often each tensor has been changed in place."""
        return [tensor._version for _, tensor in self._tensors()]

    def check_unchanged(self, versions: list[int]) -> None:
        """Compare with earlier `versions`.

        Raises:
            LayerError: A recorded tensor has been changed in place since then.
        """
        for (module, tensor), version in zip(self._tensors(), versions, strict=True):
            if tensor._version != version:
                raise changed_in_place(type(module).__name__)

    def _mapped(self, function: Callable[[Tensor], Tensor], leaf: Any) -> Any:
        return function(leaf) if isinstance(leaf, Tensor) and leaf is not self.latent else leaf

    def _tensors(self) -> Iterator[tuple[nn.Module, Tensor]]:
        for module, output in (*self.finished, *([self.layer] if self.layer else [])):
            for leaf in tree_leaves(output):
                if isinstance(leaf, Tensor) and leaf is not self.latent and not leaf.is_inference():
                    yield module, leaf


def swapped(tree: Any, old: Tensor, new: Tensor) -> Any:
    """The tree (a tensor, or nested tuples, lists and dicts) with one tensor for another."""
    return tree_map(lambda leaf: new if leaf is old else leaf, tree)


def changed_in_place(name: str) -> LayerError:
    """What to say where code between modules changes a recorded tensor."""
    return LayerError(
        "what modules returned up to the layer must stay as it is; the forward changes an output of "
        f"{name} in place (such as x += ...): write x = x + ..., or choose an earlier layer"
    )
