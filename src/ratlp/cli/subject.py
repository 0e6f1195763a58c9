"""The model and the samples that a command is about."""

import hashlib
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from ratlp.assessment import Plan
from ratlp.classification import first_logits
from ratlp.data import Source
from ratlp.evaluation.inputs import check_inputs
from ratlp.evaluation.records import digest
from ratlp.latent.layers import Layer
from ratlp.latent.on_loan import on_loan
from ratlp.models import load_model


@dataclass(frozen=True)
class Subject:
    """A model, and samples on its device.

    Attributes:
        given: The model's file or factory, as it was asked for.
        weights: The file of a factory's weights.
        origin: Where the model came from, in words.
        model: In eval mode.
        x: Inputs.
        y: Labels.
    """

    given: str
    weights: Path | None
    origin: str
    model: nn.Module
    x: Tensor
    y: Tensor

    @cached_property
    def identity(self) -> dict[str, str]:
        """Digests of model, code and samples: unfinished work goes on only where all are the same."""
        return {
            "model": digest(self.model, (), {}),
            "code": _files_digest(self.given, self.weights),
            "samples": digest(nn.Module(), (self.x, self.y), {}),
        }

    def check(self, plan: Plan) -> None:
        """Refuse, before any work is done, what the plan's attacks would refuse.

        Raises:
            InputError: Inputs lie outside the bounds.
            LayerError: There is no such layer.
        """
        check_inputs(self.x, self.y, plan.suite())
        for layer in plan.budgets:
            Layer.find(self.model, layer)


def open_subject(model: str, weights: Path | None, source: Source, *, seed: int, samples: int | None) -> Subject:
    """Load a model and the first samples of the data's test part, and see that they go together.

    Raises:
        InputError: The model or its weights are refused, or it does not take the data, or gives no logits.
    """
    loaded = load_model(model, weights=weights)
    split = source.draw(seed)
    x, y = beside(loaded.model, split.x_test[:samples], split.y_test[:samples])
    with on_loan(loaded.model), torch.no_grad():
        first_logits(loaded.model, x[:2])
    return Subject(model, weights, loaded.origin, loaded.model, x, y)


def short_name(model: str) -> str:
    """What a model is called in short.

    Example:
        >>> short_name("nets/small.safetensors"), short_name("mine.nets:small")
        ('small', 'small')
    """
    return Path(model).stem if model.endswith(".safetensors") else model.rpartition(":")[2]


def beside(model: nn.Module, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The data on the model's device, in its type.

    Example:
        >>> beside(nn.Linear(2, 2).double(), torch.zeros(3, 2), torch.zeros(3, dtype=torch.int64))[0].dtype
        torch.float64
    """
    first = next((p for p in model.parameters() if p.dtype in (torch.float32, torch.float64)), x)
    return x.to(first), y.to(first.device)


def _files_digest(model: str, weights: Path | None) -> str:
    """Of the contents of the model's file, or of its factory's module and the weights."""
    path: str | None = model
    if not model.endswith(".safetensors"):
        path = getattr(sys.modules.get(model.partition(":")[0]), "__file__", None)
    hashed = hashlib.sha256()
    for file in (path, weights):
        if file is not None:
            hashed.update(Path(file).read_bytes())
    return hashed.hexdigest()[:16]
