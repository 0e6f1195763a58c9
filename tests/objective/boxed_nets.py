"""Small nets for tests of propagated budgets, in float64, and the budget."""

import torch
from objective.literal_boxes import Residual
from torch import nn
from torch.utils.checkpoint import checkpoint

from ratlp.perturbations import Propagated

EPS = 0.05
BUDGET = {"perturbation": Propagated(EPS, bounds=(0, 1)), "weight": 0.7}


def convolutional():
    return [
        *(nn.Conv2d(1, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(96, 10), nn.ReLU(), nn.Linear(10, 3)),
    ]


def normalised():
    return [
        *(nn.Conv2d(1, 4, 4, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.Tanh()),
        *(nn.Flatten(), nn.Linear(24, 10), nn.BatchNorm1d(10), nn.ReLU(), nn.Linear(10, 3)),
    ]


def dropping():
    return [
        *(nn.Flatten(), nn.Linear(64, 20), nn.Dropout(0.3), nn.ReLU(), nn.Linear(20, 12), nn.Dropout(0.3)),
        *(nn.Sigmoid(), nn.Linear(12, 3)),
    ]


def residual():
    def block():
        return Residual(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))

    layers = [nn.Conv2d(1, 4, 4, 2, 1), block(), nn.ReLU(), block(), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()]
    return [*layers, nn.Linear(16, 3)]


NETS = [convolutional, normalised, dropping, residual]


def made(make, *, training=True):
    """In evaluation with running statistics that are not those of the start."""
    model = nn.Sequential(*make()).double()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for part in (module.running_var, module.weight):
                nn.init.uniform_(part, 0.5, 2)
            for part in (module.running_mean, module.bias):
                nn.init.normal_(part)
            with torch.no_grad():
                module.weight[0] *= -1  # a falling map
    return model.train(training)


class Beside(nn.Module):
    """Norms on the perturbed path and beside it; one of them called twice."""

    def __init__(self):
        super().__init__()
        self.layer, self.side, self.head = nn.Linear(64, 8), nn.Linear(64, 8), nn.Linear(8, 3)
        self.beside, self.shared = nn.BatchNorm1d(8), nn.BatchNorm1d(8)

    def forward(self, x, *, constant):
        x = x.flatten(1)
        z = self.layer(x)
        side = self.beside(5 + 3 * self.side(constant.flatten(1)))
        z = self.shared(z).relu()
        return self.head(self.shared(z) * side.sigmoid())


class Checkpointed(nn.Module):
    def __init__(self, model, *, on):
        super().__init__()
        self.model, self.on = model, on

    def forward(self, x):
        for module in self.model:
            x = checkpoint(module, x, use_reentrant=False) if self.on else module(x)
        return x
