"""What a model does without attack: its predictions, and the scale of its latents."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor

from ratlp.classification import check_labels_in_range, model_logits
from ratlp.evaluation.batches import in_batches
from ratlp.evaluation.inputs import near, rows_of
from ratlp.evaluation.spaces import Spaces
from ratlp.latent.layers import INPUT
from ratlp.perturbations import Norm, perturbation_set, rms_per_sample

_RELATIVE = {norm: perturbation_set(norm, 1.0, relative_to=rms_per_sample) for norm in get_args(Norm)}


@dataclass(frozen=True)
class Clean:
    """The clean pass.

    Attributes:
        predictions: `[n]`, on the CPU.
        correct: `[n]`, whether they are right.
        units: By layer, then by norm: what an eps of 1, relative to a latent's root mean square, is in units of the
            latent, the mean over the samples.
        size: The batch size that fitted in memory.
    """

    predictions: Tensor
    correct: Tensor
    units: dict[str, dict[str, float]]
    size: int


def clean_pass(spaces: Spaces, x: Any, y: Tensor, layers: Iterable[str], *, size: int) -> Clean:
    """Run the model on all samples, and up to each of the layers.

    Args:
        spaces: Of the model, which is on loan.
        x: Inputs.
        y: Labels, `[n]`.
        layers: Whose units are to be measured.
        size: Samples at once.

    Raises:
        InputError: The logits are not finite or not `[batch, classes]`, or a label has none.

    Example:
        >>> clean = clean_pass(Spaces(torch.nn.Linear(2, 2)), torch.eye(2), torch.tensor([0, 1]), [], size=2)
        >>> clean.predictions.shape
        torch.Size([2])
    """
    device, inside = near(spaces.model, x).device, dict.fromkeys(layer for layer in layers if layer != INPUT)
    none = torch.zeros(len(_RELATIVE), dtype=torch.float64)

    def work(start: int, size: int) -> tuple[Tensor, dict[str, Tensor]]:
        batch, labels = rows_of((x, y), slice(start, start + size), device)
        return _batch(spaces, batch, labels, inside)

    found, size = in_batches(work, len(y), size)
    predictions = torch.cat([part for part, _ in found])
    units = {}
    for layer in inside:
        total = sum((sums[layer] for _, sums in found), start=none)
        units[layer] = dict(zip(_RELATIVE, (total / len(y)).tolist(), strict=True))
    return Clean(predictions, predictions == y.cpu(), units, size)


def _batch(spaces: Spaces, x: Any, y: Tensor, layers: Iterable[str]) -> tuple[Tensor, dict[str, Tensor]]:
    """The predictions of one batch, and the sums of its latents' units."""
    with torch.no_grad():
        logits = model_logits(spaces.model, x, n=len(y))
        check_labels_in_range(y, logits.shape[1])
        sums = {}
        for layer in layers:
            points = spaces.open(layer, x).points
            units = [torch.as_tensor(ball.unit(points)) for ball in _RELATIVE.values()]
            sums[layer] = torch.stack([unit.double().sum() for unit in units]).cpu()
    return logits.argmax(1).cpu(), sums
