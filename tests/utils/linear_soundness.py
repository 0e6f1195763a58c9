"""Nets and boxes for linear bounds, and what bounds of them must hold."""

import itertools

import torch
from torch import nn
from torch.nn import functional

from ratlp.bounds import Interval, linear_bounds, linear_margins, margin_lower_bounds

EXACT = 1e-9


def mlp(*widths):
    layers = [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*layers[:-1]).double()


def box(*shape, eps=0.3):
    x = torch.randn(*shape, dtype=torch.double)
    radius = eps * torch.rand_like(x)
    return Interval(x - radius, x + radius)


def points_of(region, count):
    """Points of a box, half of them vertices."""
    lower, upper = region.bounds
    for i in range(count):
        share = torch.rand_like(lower)
        yield lower + (upper - lower) * (share.round() if i % 2 else share)


def vertices(forward, region):
    """The logits at every vertex of boxes of few coordinates, `[vertices, batch, classes]`."""
    shape = region.shape[1:]
    corners = itertools.product([False, True], repeat=shape.numel())
    return torch.stack([forward(torch.where(torch.tensor(c).view(shape), *region.bounds)).detach() for c in corners])


def attacked(forward, region, y, j, steps=20):
    """The least margin z_y - z_j that gradient descent finds in a box."""
    lower, upper = region.bounds
    x = lower + (upper - lower) * torch.rand_like(lower)
    for _ in range(steps):
        x.requires_grad_()
        logits = forward(x)
        margin = logits.gather(1, y[:, None])[:, 0] - logits[:, j]
        (gradient,) = torch.autograd.grad(margin.sum(), x)
        x = torch.minimum(torch.maximum(x.detach() - 0.3 * (upper - lower) * gradient.sign(), lower), upper)
    logits = forward(x).detach()
    return logits.gather(1, y[:, None])[:, 0] - logits[:, j]


def assert_sound(forward, region, count=300, *, intermediate="linear", ascent=None):
    """No point found leaves the bounds, and they are no looser than those of intervals."""
    y = torch.arange(len(region)) % forward(region.centre).shape[1]
    bounds = linear_bounds(forward, region, intermediate=intermediate)
    margins = linear_margins(forward, region, y, intermediate=intermediate, ascent=ascent)
    by_interval = forward(region)
    assert (bounds.lower >= by_interval.lower - EXACT).all()
    assert (bounds.upper <= by_interval.upper + EXACT).all()
    assert (margins >= margin_lower_bounds(by_interval, y) - EXACT).all()
    for x in points_of(region, count):
        logits = forward(x).detach()
        assert ((bounds.lower - EXACT <= logits) & (logits <= bounds.upper + EXACT)).all()
        assert (margins <= logits.gather(1, y[:, None]) - logits + EXACT).all()
    for j in range(margins.shape[1]):
        assert (margins[:, j] <= attacked(forward, region, y, j) + EXACT).all()


class Residual(nn.Module):
    """Convolutions with strides and padding, BatchNorm, a shortcut, average pooling."""

    def __init__(self, channels, kernel, stride, padding):
        super().__init__()
        self.first = nn.Conv2d(channels, 3, kernel, stride, padding)
        self.norm, self.later_norm = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
        self.inner = nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False)
        self.head = nn.Linear(3, 4)
        for norm in (self.norm, self.later_norm):
            nn.init.uniform_(norm.weight, -1, 1)
            nn.init.normal_(norm.bias)
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2)

    def forward(self, x):
        z = functional.relu(self.norm(self.first(x)))
        z = functional.leaky_relu(self.later_norm(self.inner(z)), 0.2) + z
        return self.head(functional.adaptive_avg_pool2d(z, 1).flatten(1))
