"""Nets on the digits, sound ones and ones that look robust and are not."""

import functools

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, dropout

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.losses import AdversarialOnly
from ratlp.perturbations import LInf

EPS = LInf(0.1, bounds=(0, 1))
HELD_OUT = 96


@functools.cache
def digits(seed):
    """Training and held-out inputs and labels."""
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    x, y = torch.tensor(x / 16, dtype=torch.float32)[order], torch.tensor(y)[order]
    return x[HELD_OUT:], y[HELD_OUT:], x[:HELD_OUT], y[:HELD_OUT]


def mlp():
    return nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn():
    convolutions = [nn.Conv2d(1, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU(), nn.Flatten()]
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *convolutions, nn.Linear(128, 100), nn.ReLU(), nn.Linear(100, 10))


@functools.cache
def trained(build, *, robust, seed=0, epochs=6):
    """A net trained by PGD as of Madry et al., or without defence; in evaluation mode, to be left as it is."""
    x, y, _, _ = digits(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = build()
        maximiser = PGD(steps=5, keep_best=False)
        objective = RATLP(net, layer="input", perturbation=EPS, maximiser=maximiser, loss=AdversarialOnly())
        optimiser = torch.optim.Adam(net.parameters(), lr=3e-3)
        for _ in range(epochs):
            for rows in torch.randperm(len(x)).split(64):
                optimiser.zero_grad()
                loss = objective(x[rows], y[rows]).loss if robust else cross_entropy(net(x[rows]), y[rows])
                loss.backward()
                optimiser.step()
    return net.eval().requires_grad_(False)


class Step(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class StubbornDropout(nn.Module):
    """Dropout that its own forward switches on."""

    def __init__(self):
        super().__init__()
        self.drop = nn.Dropout(0.3)

    def forward(self, x):
        self.drop.train()
        return self.drop(x)


def before(net, function):
    return nn.Sequential(Step(function), net).eval()


def after(net, function):
    return nn.Sequential(net, Step(function)).eval()


def compressed(x):
    """As JPEG does: the cosine transform of the 8 x 8 pixels, rounded to eighths."""
    n = torch.arange(8, dtype=x.dtype)
    cosines = torch.cos((2 * n[None] + 1) * n[:, None] * torch.pi / 16) / 2
    cosines[0] /= 2**0.5
    spectrum = cosines @ x.reshape(-1, 8, 8) @ cosines.T
    return (cosines.T @ ((8 * spectrum).round() / 8) @ cosines).flatten(1)


def rescaled(net, factor):
    """The last latent times a factor, the head divided by it: the same logits."""
    twin = mlp()
    twin.load_state_dict(net.state_dict())
    with torch.no_grad():
        twin[2].weight.mul_(factor)
        twin[2].bias.mul_(factor)
        twin[4].weight.div_(factor)
    return twin.eval()


def with_batch_statistics():
    """A net whose BatchNorm takes its statistics from the batch, whatever the mode."""
    return nn.Sequential(nn.BatchNorm1d(64, track_running_stats=False), *mlp())


def with_ripple(net):
    """Fast ripples on the input: a gradient that is there and leads nowhere."""
    return before(net, lambda x: x + 0.02 * torch.sin(400 * x))


def with_dropout(net):
    """The function's default is training=True."""
    return nn.Sequential(net[:2], Step(lambda x: dropout(x, 0.3)), net[2:]).eval()
