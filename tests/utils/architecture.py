"""What an architecture under test is: a model, a batch, and the layers worth cutting at."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

BATCH = 6
CLASSES = 3


@dataclass(frozen=True)
class Architecture:
    """A small deterministic model in float64, its batch and its layers.

    Attributes:
        name: As shown in the tests' ids.
        make: Gives `(model, inputs, y)` anew, from torch's global random state. `inputs` is a tensor, a tuple
            of positional arguments or a dict of keyword arguments; `y` holds class labels.
        layers: Names of submodules, each called exactly once a forward, from early to late.
    """

    name: str
    make: Callable[[], tuple[nn.Module, Any, Tensor]]
    layers: tuple[str, ...]


def architecture(*layers: str) -> Callable[[Callable[[], tuple[nn.Module, Any]]], Architecture]:
    """Turns a function that gives `(model, inputs)` into an `Architecture` of its name, with labels."""

    def named(make: Callable[[], tuple[nn.Module, Any]]) -> Architecture:
        def make_all() -> tuple[nn.Module, Any, Tensor]:
            model, inputs = make()
            return model.double(), inputs, labels()

        return Architecture(make.__name__, make_all, layers)

    return named


def labels() -> Tensor:
    """One label of each class, then more at random."""
    return torch.cat([torch.arange(CLASSES), torch.randint(CLASSES, (BATCH - CLASSES,))])


def build(architecture: Architecture, *, seed: int = 0) -> tuple[nn.Module, Any, Tensor]:
    """The same `(model, inputs, y)` for the same seed: twins by building, for a copy shares hooks."""
    torch.manual_seed(seed)
    return architecture.make()


def run(model: nn.Module, inputs: Any) -> Any:
    """The model's output on inputs of any of the three kinds."""
    if isinstance(inputs, dict):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple) else model(inputs)


def logits_of(output: Any) -> Tensor:
    """The logits in a tensor, a tuple with the logits first, a dict, or an object with `.logits`."""
    if isinstance(output, Tensor):
        return output
    if isinstance(output, tuple):
        return output[0]
    return output["logits"] if isinstance(output, dict) else output.logits


def cuts(architectures: tuple[Architecture, ...]) -> list[Any]:
    """Every (architecture, layer) as a parameter for `pytest.mark.parametrize`."""
    return [pytest.param(a, layer, id=f"{a.name}-{layer}") for a in architectures for layer in a.layers]
