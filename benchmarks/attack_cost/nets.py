"""The nets that are attacked, trained briefly to withstand something."""

from dataclasses import dataclass
from pathlib import Path

import torch
from shared.images import as_images
from torch import Tensor, nn

from ratlp import RATLP, load
from ratlp.attacks import PGD
from ratlp.data import Source
from ratlp.models import small_cnn
from ratlp.perturbations import LInf

EPS = 0.1
BATCH = 128


@dataclass(frozen=True)
class Target:
    """A net and what it is attacked on.

    Attributes:
        name: "mlp" or "cnn".
        net: In evaluation mode, from images to logits.
        x: `[n, 1, height, width]`, pixels in [0, 1].
        y: `[n]`.
        data: Where the images come from.
    """

    name: str
    net: nn.Module
    x: Tensor
    y: Tensor
    data: str


def mlp_on(source: Source, *, weights: Path | None, samples: int, train_steps: int) -> Target:
    """64 features, as digits have them, 256 and 128 hidden units."""
    hidden = [nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU()]
    net = nn.Sequential(nn.Flatten(), *hidden, nn.Linear(128, 10))
    return _target("mlp", net, source, weights=weights, samples=samples, train_steps=train_steps)


def cnn_on(source: Source, *, weights: Path | None, samples: int, train_steps: int) -> Target:
    """The small CNN, of the images' size."""
    side = round(source.draw(0).x_test[0].numel() ** 0.5)
    return _target("cnn", small_cnn((1, side, side)), source, weights=weights, samples=samples, train_steps=train_steps)


def _target(
    name: str, net: nn.Module, source: Source, *, weights: Path | None, samples: int, train_steps: int
) -> Target:
    split = source.draw(0)
    if weights is None:
        train(net, as_images(split.x_train), split.y_train, train_steps=train_steps)
    else:
        net = nn.Sequential(nn.Flatten(), load(weights)) if name == "mlp" else load(weights)
    return Target(name, net.eval(), as_images(split.x_test)[:samples], split.y_test[:samples], source.name)


def train(net: nn.Module, x: Tensor, y: Tensor, *, train_steps: int) -> None:
    """In place, with Adam: clean cross-entropy and that under three steps of PGD, in equal parts."""
    ball = LInf(EPS, bounds=(0, 1))
    objective = RATLP(net.train(), layer="input", perturbation=ball, maximiser=PGD(steps=3, keep_best=False))
    optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(train_steps):
        rows = torch.randint(len(y), (BATCH,))
        optimiser.zero_grad()
        objective(x[rows], y[rows]).loss.backward()
        optimiser.step()
