"""One call of an attack, and what it leaves behind."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from attack_cost.attackers import PIXELS, Makers, Run, Settings
from attack_cost.nets import Target
from ratlp.latent.on_loan import on_loan


def installed(makers: Makers, net: nn.Module, settings: Settings) -> dict[str, Run | None]:
    """The attacks, made; None where a package is not installed."""
    found: dict[str, Run | None] = {}
    for name, make in makers.items():
        try:
            found[name] = make(net, settings)
        except ImportError:
            found[name] = None
    return found


@contextmanager
def drawn_from(seed: int, net: nn.Module) -> Iterator[None]:
    """While open, torch and numpy draw from a seed and the net is ready to be attacked; all is set back afterwards."""
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]), on_loan(net):
        torch.manual_seed(seed)
        np.random.seed(seed)
        try:
            yield
        finally:
            np.random.set_state(before)


def standing(target: Target, run: Run, eps: float) -> Tensor:
    """`[n]`: which samples are classified rightly, without attack and at what the attack returns.

    As a float32 sum may leave the ball by a rounding, what is returned is brought back before it is judged.
    """
    net, x, y = target.net, target.x, target.y
    with drawn_from(0, net):
        moved = run(x, y)
    with torch.no_grad():
        moved = torch.minimum(torch.maximum(moved, x - eps), x + eps).clamp(*PIXELS)
        return (net(x).argmax(1) == y) & (net(moved).argmax(1) == y)
