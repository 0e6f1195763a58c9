"""Small nets that were trained for seconds, so that certificates of them are neither empty nor full."""

from functools import cache

import torch
from torch import nn

from ratlp import RATLP
from ratlp.bounds import IntervalBound
from ratlp.data import load_source
from ratlp.models import mlp, small_cnn
from ratlp.objective import LinearRamp, Schedule
from ratlp.perturbations import Propagated


@cache
def split(data: str):
    """The data's first split; not to be written to."""
    return load_source(data).draw(0)


def moons(*, certified: bool = True) -> nn.Module:
    """The paper's net on Two Moons, with interval training at eps 0.1 or standard training."""
    return _trained("moons", certified)


def digits(*, certified: bool = True) -> nn.Module:
    """A convolutional net on digits, with interval training at eps 0.05 or standard training."""
    return _trained("digits", certified)


@cache
def _trained(data: str, certified: bool) -> nn.Module:
    part, is_moons = split(data), data == "moons"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = mlp(2, classes=2, latent_activation=nn.ReLU) if is_moons else small_cnn((1, 8, 8))
        budget = Propagated(0.1 if is_moons else 0.05, bounds=None if is_moons else (0, 1))
        plain = RATLP(net, layer="input", eps=0.0)
        objective = RATLP(net, layer="input", perturbation=budget, maximiser=IntervalBound()) if certified else plain
        steps = 150
        schedule = Schedule(objective, eps=LinearRamp(over=steps // 2))
        optimiser = torch.optim.Adam(net.parameters(), lr=0.01 if is_moons else 0.004)
        for _ in range(steps):
            rows = torch.randint(len(part.x_train), (128,))
            optimiser.zero_grad()
            objective(part.x_train[rows], part.y_train[rows]).loss.backward()
            optimiser.step()
            schedule.step()
    return net.requires_grad_(True).eval()
