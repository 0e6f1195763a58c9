"""What a trained net withstands, and what is proved of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from robust_training.recipes import EPS, PIXELS
from robust_training.training import Data
from torch import Tensor, nn

from ratlp.attacks import PGD, ClassifierProblem
from ratlp.bounds import Interval, linear_margins, margin_lower_bounds
from ratlp.certificates import check_order
from ratlp.perturbations import LInf

BATCH = 250
PGD_STEPS, PGD_RESTARTS = 50, 5


@dataclass(frozen=True)
class Accuracies:
    """In %.

    Attributes:
        clean: On the whole test part.
        pgd: Under 50 steps of PGD with 5 restarts, on the first images of the test part.
        autoattack: Under AutoAttack's APGD-CE and APGD-T, likewise.
        interval: Certified by interval bounds, on the whole test part.
        certified: By interval or linear bounds, the best of the two for each image, likewise.
    """

    clean: float
    pgd: float
    autoattack: float
    interval: float
    certified: float


def evaluated(net: nn.Module, data: Data, *, attack_samples: int) -> Accuracies:
    """The accuracies of a net, checked against each other image by image.

    Raises:
        SoundnessError: An attack breaks a certificate: one of the two is wrong.
    """
    net.eval()
    for parameter in net.parameters():
        parameter.requires_grad_(False)
    x, y = data.test
    with torch.no_grad():
        clean = torch.cat([net(part).argmax(1) for part in x.split(BATCH)]) == y
        interval = clean & _certified(_interval_margins, net, x, y)
        certified = interval.clone()
        left = (clean & ~interval).nonzero()[:, 0]
        certified[left] = _certified(_linear_margins, net, x[left], y[left])
    n = min(attack_samples, len(y))
    pgd = _after_pgd(net, x[:n], y[:n])
    auto = _after_autoattack(net, x[:n], y[:n])
    for attacked in (pgd, auto):
        check_order(clean[:n], attacked, certified[:n], eps=EPS)
    return Accuracies(*(100 * part.float().mean().item() for part in (clean, pgd, auto, interval, certified)))


Margins = Callable[[nn.Module, Interval, Tensor], Tensor]


def _certified(margins: Margins, net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Whether every margin is positive on the whole box."""
    found = [torch.zeros(0, dtype=torch.bool)]
    for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True) if len(y) else ():
        box = Interval(*LInf(EPS, bounds=PIXELS).edges(part))
        lower = margins(net, box, labels).scatter(1, labels[:, None], math.inf)
        found.append(lower.amin(1) > 0)
    return torch.cat(found)


def _interval_margins(net: nn.Module, box: Interval, y: Tensor) -> Tensor:
    logits: Any = net(box)
    return margin_lower_bounds(logits, y)


def _linear_margins(net: nn.Module, box: Interval, y: Tensor) -> Tensor:
    # With interval bounds of the ReLUs' inputs: with linear ones a convolutional net takes a hundred times as long.
    return linear_margins(net, box, y, intermediate="interval")


def _after_pgd(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Which images are still classified rightly."""
    standing = []
    for part, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
        problem = ClassifierProblem(
            lambda deltas, rows, part=part: net(part[rows] + deltas[0]), labels, [part], [LInf(EPS, bounds=PIXELS)]
        )
        problem.attacked_by(PGD(steps=PGD_STEPS, restarts=PGD_RESTARTS))
        standing.append(~problem.misclassified)
    return torch.cat(standing)


def _after_autoattack(net: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Which images are still classified rightly after the two attacks that break most of what can be broken."""
    from pyautoattack import AutoAttack

    attack = AutoAttack(
        net, norm="Linf", eps=EPS, version="custom", attacks=["apgd-ce", "apgd-t"], seed=0, device="cpu"
    )
    attack.apgd.n_restarts = 1
    attack.apgd_targeted.n_target_classes = min(9, net(x[:1]).shape[1] - 1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        right = net(x).argmax(1) == y
        if not right.any():
            return right
        moved = attack.run_standard_evaluation(x, y, batch_size=BATCH)
        moved = moved[0] if isinstance(moved, tuple) else moved
        # As a float32 sum may leave the ball by a rounding, the images are brought back before they are judged.
        moved = torch.minimum(torch.maximum(moved, x - EPS), x + EPS).clamp(*PIXELS)
        return right & (net(moved).argmax(1) == y)
