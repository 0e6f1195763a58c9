"""One training run: equal epochs, batches and optimiser for all, stopped at its best epoch."""

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from ratlp.losses import margin
from robust_training.data import Data
from robust_training.recipes import EPS, PIXELS, Recipe

BATCH = 128
DECAY_FROM = 0.6
"""The share of the training after which Adam's learning rate falls linearly to 0."""

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Run:
    """What a training left behind.

    Attributes:
        epoch: The best one, counted from 1.
        score: Mean of clean and attacked accuracy on the validation part, at the best epoch.
        clean: On the validation part, likewise.
        attacked: Likewise, under 20 steps each of cross-entropy and of the margin.
        seconds: Of the training alone.
    """

    epoch: int
    score: float
    clean: float
    attacked: float
    seconds: float


def train(net: nn.Module, recipe: Recipe, data: Data, *, epochs: int, seed: int) -> Run:
    """Train the net in place, and leave it at its best epoch."""
    torch.manual_seed(seed)
    steps = epochs * -(-len(data.train[1]) // BATCH)
    objective = recipe.make(net)
    schedule = recipe.schedule(objective, steps)
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.lr)
    decay = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda s: min(1.0, (1 - s / steps) / (1 - DECAY_FROM)))
    best, weights, seconds = Run(0, -1.0, 0.0, 0.0, 0.0), net.state_dict(), 0.0
    for epoch in range(1, epochs + 1):
        started = time.perf_counter()
        net.train()
        for x, y in batches(data.train):
            optimiser.zero_grad()
            objective(x, y).loss.backward()
            optimiser.step()
            decay.step()
            schedule()
        seconds += time.perf_counter() - started
        if 2 * epoch > epochs:
            clean, attacked = validated(net, *data.validation)
            if (clean + attacked) / 2 > best.score:
                best = Run(epoch, (clean + attacked) / 2, clean, attacked, seconds)
                weights = copy.deepcopy(net.state_dict())
    net.load_state_dict(weights)
    net.eval()
    return Run(best.epoch, best.score, best.clean, best.attacked, seconds)


def batches(part: tuple[Tensor, Tensor]) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch, in an order from torch's generator."""
    x, y = part
    for index in torch.randperm(len(y)).split(BATCH):
        yield x[index], y[index]


def validated(net: nn.Module, x: Tensor, y: Tensor) -> tuple[float, float]:
    """Clean and attacked accuracy in %; an attack that is cheap, and stronger than PGD on cross-entropy alone."""
    net.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with torch.no_grad():
            clean = net(x).argmax(1) == y
        standing = clean.clone()
        for loss in (_entropy, margin):
            standing &= net(pgd_points(net, x, y, loss, steps=20, step_size=0.2)).argmax(1) == y
    return 100 * clean.float().mean().item(), 100 * standing.float().mean().item()


def pgd_points(net: nn.Module, x: Tensor, y: Tensor, loss: Loss, *, steps: int, step_size: float) -> Tensor:
    """The points to which PGD comes from a random start, as one would write it by hand; its step in radii."""
    moved = (x + EPS * (2 * torch.rand_like(x) - 1)).clamp(*PIXELS)
    for _ in range(steps):
        moved.requires_grad_()
        (gradient,) = torch.autograd.grad(loss(net(moved), y).sum(), moved)
        moved = (moved.detach() + step_size * EPS * gradient.sign()).clamp(x - EPS, x + EPS).clamp(*PIXELS)
    return moved


def _entropy(logits: Tensor, y: Tensor) -> Tensor:
    return cross_entropy(logits, y, reduction="none")
