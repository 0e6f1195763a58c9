from collections import deque

import pytest
import torch
from torch import nn


class Counting(nn.Module):
    """Counts the samples that pass, and how many of them with a gradient to come."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.forwards = self.gradients = 0
        self.seen = deque()  # a list would have its items back after an evaluation

    def forward(self, x):
        self.forwards += len(x)
        self.gradients += len(x) if x.requires_grad else 0
        self.seen.append(x.detach().clone())
        return self.model(x)


def centred(model, *shape):
    """The model with logits around 0, so that it gives every class to some inputs."""
    with torch.no_grad():
        model[-1].bias -= model.eval()(torch.rand(500, *shape)).mean(0)
    return model.train()


def make_mlp(classes, features=6):
    early = [nn.Linear(features, 16), nn.ReLU(), nn.Dropout(0.5)]
    return centred(nn.Sequential(*early, nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Linear(12, classes)), features)


@pytest.fixture
def counting():
    return Counting


@pytest.fixture
def mlp():
    return make_mlp


@pytest.fixture
def samples():
    """Inputs in [0, 1], and the labels that a model gives them, a quarter of them wrong."""

    def draw(model, n=40, shape=(6,)):
        x = torch.rand(n, *shape)
        modes = [module.training for module in model.modules()]
        with torch.no_grad():
            logits = model.eval()(x)
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
        y = logits.argmax(1)
        y[::4] = (y[::4] + 1) % logits.shape[1]
        return x, y

    return draw


@pytest.fixture
def centre():
    return centred
