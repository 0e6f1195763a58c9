"""What a model does without attack: its predictions, and the scale of its latents."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ratlp.classification import check_labels_in_range, model_logits
from ratlp.evaluation.batches import halving
from ratlp.evaluation.inputs import near, rows_of
from ratlp.evaluation.spaces import Spaces
from ratlp.latent.layers import INPUT
from ratlp.perturbations.scale import rms_per_sample


@dataclass(frozen=True)
class Scale:
    """The typical size of a latent, as means over the samples.

    Attributes:
        rms: The root mean square of its coordinates.
        length: Its Euclidean length.

    Example:
        >>> Scale(rms=0.5, length=2.0).of("l2")
        2.0
    """

    rms: float
    length: float

    def of(self, norm: str) -> float | None:
        """What a relative eps of 1 is in absolute units; None for a set that is no ball."""
        return {"linf": self.rms, "l2": self.length}.get(norm)


@dataclass(frozen=True)
class Clean:
    """The clean pass.

    Attributes:
        predictions: `[n]`, on the CPU.
        correct: `[n]`, whether they are right.
        scales: By layer.
        size: The batch size that fitted in memory.
    """

    predictions: Tensor
    correct: Tensor
    scales: dict[str, Scale]
    size: int


def clean_pass(spaces: Spaces, x: Any, y: Tensor, layers: Iterable[str], *, size: int) -> Clean:
    """Run the model on all samples, and up to each of the layers.

    Args:
        spaces: Of the model, which is on loan.
        x: Inputs.
        y: Labels, `[n]`.
        layers: Whose scale is to be measured.
        size: Samples at once.

    Raises:
        InputError: The logits are not finite or not `[batch, classes]`, or a label has none.

    Example:
        >>> clean = clean_pass(Spaces(torch.nn.Linear(2, 2)), torch.eye(2), torch.tensor([0, 1]), [], size=2)
        >>> clean.predictions.shape
        torch.Size([2])
    """
    found, start, device = [], 0, near(spaces.model, x).device
    scales = {layer: [0.0, 0.0] for layer in layers if layer != INPUT}
    while start < len(y):

        def work(size: int, start: int = start) -> tuple[Tensor, dict[str, Tensor]]:
            batch, labels = rows_of((x, y), slice(start, start + size), device)
            return _batch(spaces, batch, labels, scales)

        (predictions, sums), size = halving(work, size)
        for layer, both in sums.items():
            scales[layer] = [total + more for total, more in zip(scales[layer], both.tolist(), strict=True)]
        found.append(predictions)
        start += size
    predictions = torch.cat(found)
    means = {layer: Scale(rms / len(y), length / len(y)) for layer, (rms, length) in scales.items()}
    return Clean(predictions, predictions == y.cpu(), means, size)


def _batch(spaces: Spaces, x: Any, y: Tensor, layers: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """The predictions of one batch, and the sums of its latents' root mean squares and lengths."""
    with torch.no_grad():
        logits = model_logits(spaces.model, x, n=len(y))
        check_labels_in_range(y, logits.shape[1])
        sums = {}
        for layer in layers:
            points = spaces.open(layer, x).points
            rms = rms_per_sample(points).double().flatten(1).sum(0).sum()
            sums[layer] = torch.stack([rms, rms * math.sqrt(points[0].numel())])
    return logits.argmax(1).cpu(), sums
