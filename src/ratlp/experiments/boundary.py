"""Figure 1: a trained net over the plane."""

import torch

from ratlp.experiments.measure import ATTACK_EPS
from ratlp.experiments.results import METHODS, Boundary, Method
from ratlp.experiments.setting import Setting
from ratlp.experiments.trials import Trials
from ratlp.models import unstack

_STEP = 0.01  # a tenth of the margin that the figure draws
_MOST_STEPS = 1000  # along the longer side, where points lie far apart


def boundaries(trials: Trials, setting: Setting) -> tuple[Boundary, ...]:
    """The first seed's net of each method; none but for two classes in the plane."""
    if trials.source.features != (2,) or trials.source.classes != 2:
        return ()
    return tuple(_boundary(trials, setting, method) for method in METHODS)


def _boundary(trials: Trials, setting: Setting, method: Method) -> Boundary:
    trained = trials.stacks(setting, method)[0]
    net = unstack(trained.net, setting.build(2, 2, torch.Generator()), 0).requires_grad_(False)
    points, labels = trained.x_test[0], trained.y_test[0]
    low, high = points.amin(0) - 0.4, points.amax(0) + 0.4
    step = max(_STEP, float((high - low).max()) / _MOST_STEPS)
    x, y = (torch.arange(float(a), float(b), step) for a, b in zip(low, high, strict=True))
    grid = torch.cartesian_prod(y, x).flip(1)
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
