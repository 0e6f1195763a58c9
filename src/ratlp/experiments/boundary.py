"""Figure 1: a trained net over the plane."""

import math

import torch
from torch import Tensor

from ratlp.experiments.measure import ATTACK_EPS
from ratlp.experiments.results import METHODS, Boundary, Method
from ratlp.experiments.setting import Setting
from ratlp.experiments.trials import Trials
from ratlp.models import unstack

_STEP = 0.01  # a tenth of the margin that the figure draws
_MOST_STEPS = 600  # along either side, where points lie far apart
_PAD = 0.4


def boundaries(trials: Trials, setting: Setting) -> tuple[Boundary, ...]:
    """The first seed's net of each method; none but for two classes in the plane.

    Example:
        >>> from ratlp.data import Moons
        >>> standard, ratlp = boundaries(Trials(Moons(n=50), range(1)), Setting(epochs=1))
        >>> standard.probability.shape == (len(standard.y), len(standard.x))
        True
    """
    if trials.source.features != (2,) or trials.source.classes != 2:
        return ()
    return tuple(_boundary(trials, setting, method) for method in METHODS)


def _boundary(trials: Trials, setting: Setting, method: Method) -> Boundary:
    trained = trials.stacks(setting, method)[0]
    net = unstack(trained.net, setting.build(2, 2, torch.Generator()), 0).requires_grad_(False)
    points, labels = trained.x_test[0], trained.y_test[0]
    x, y = (_ticks(coordinates) for coordinates in points.double().unbind(1))
    grid = torch.cartesian_prod(y, x).flip(1).to(points.dtype)
    return Boundary(
        method=method,
        x=x.numpy(),
        y=y.numpy(),
        probability=net(grid).softmax(-1)[:, 1].view(len(y), len(x)).numpy(),
        points=points.numpy(),
        labels=labels.numpy(),
        correct=(net(points).argmax(-1) == labels).numpy(),
        eps=ATTACK_EPS,
    )


def _ticks(values: Tensor) -> Tensor:
    """Even ticks around the values, in float64; few enough however far the values lie apart."""
    # Far from 0, the pad must be one that float32 can tell from nothing.
    pad = max(_PAD, 1e-6 * float(values.abs().max()))
    low, high = float(values.min()) - pad, float(values.max()) + pad
    steps = min(math.ceil((high - low) / _STEP), _MOST_STEPS)
    return torch.linspace(low, high, steps + 1, dtype=torch.float64)
