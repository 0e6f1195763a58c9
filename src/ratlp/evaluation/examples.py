"""Adversarial examples themselves, to look at."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ratlp.attacks import seeded
from ratlp.classification import check_batch_size, data_taken
from ratlp.evaluation.attack import Attack
from ratlp.evaluation.attacking import find
from ratlp.evaluation.batches import find_batch_size, in_batches
from ratlp.evaluation.clean import clean_pass
from ratlp.evaluation.inputs import check_inputs, near, rows_of
from ratlp.evaluation.spaces import Spaces
from ratlp.evaluation.work import Subject, seed_of
from ratlp.latent.on_loan import on_loan


class Examples(NamedTuple):
    """Samples and what an attack made of them.

    Attributes:
        points: `[n, *point]`: the inputs, or the latents at the attack's layer.
        delta: `[n, *point]`, the perturbations; 0 where a sample is misclassified without attack.
        broken: `[n]`, whether the attack turned the sample from right to wrong.
        logits: `[n, classes]` at the points.
        adversarial_logits: `[n, classes]` at points + delta.
    """

    points: Tensor
    delta: Tensor
    broken: Tensor
    logits: Tensor
    adversarial_logits: Tensor


def adversarial_examples(
    model: nn.Module, x: Any, y: Tensor, attack: Attack, *, batch_size: int | None = None, seed: int = 0
) -> Examples:
    """Attack samples, and return the perturbations.

    With the same samples, batch size and seed these are the perturbations by which `evaluate` judges.

    Args:
        model: As in `evaluate`; likewise `x`, `y`, `batch_size` and `seed`.
        x: Inputs.
        y: Labels.
        attack: One attack.
        batch_size: Samples at once.
        seed: Of all random draws.

    Raises:
        InputError: As in `evaluate`.

    Example:
        >>> from ratlp.attacks import PGD
        >>> from ratlp.perturbations import LInf
        >>> net, x = nn.Linear(2, 2), torch.rand(20, 2)
        >>> examples = adversarial_examples(net, x, net(x).argmax(1), Attack("pgd", PGD(steps=5), LInf(0.1)))
        >>> bool(examples.delta.abs().max() <= 0.1)
        True
    """
    check_inputs(x, y, [attack])
    check_batch_size(batch_size)
    with on_loan(model), seeded(seed, near(model, x)):
        spaces = Spaces(model)
        with data_taken(x):
            size = batch_size or find_batch_size(model, x)
            subject = Subject(spaces, x, y, clean_pass(spaces, x, y, [], size=size).correct)

        def work(start: int, size: int) -> Examples:
            return _batch(subject.batch(start, start + size), attack, seed_of(seed, attack.name, start))

        parts, _ = in_batches(work, len(y), size)
    return Examples(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _batch(subject: Subject, attack: Attack, seed: int) -> Examples:
    y, open_at = subject.y, subject.spaces.open
    space = open_at(attack.layer, subject.x)
    delta, broken = torch.zeros_like(space.points), torch.zeros_like(y, dtype=torch.bool)
    rows = subject.correct.nonzero()[:, 0].to(y.device)
    logits = space.everywhere(delta)
    adversarial = logits.clone()
    if len(rows):
        found = find(attack, open_at(attack.layer, rows_of(subject.x, rows)), y[rows], seed=seed)
        delta[rows], broken[rows], adversarial[rows] = found
    return Examples(space.points, delta, broken, logits, adversarial)
