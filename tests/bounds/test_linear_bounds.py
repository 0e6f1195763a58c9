import itertools

import pytest
import torch
from bounds.crown_twin import crown
from hypothesis import given, settings, strategies as st
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


def assert_sound(forward, region, count=300):
    """No point found leaves the bounds, and they are no looser than those of intervals."""
    y = torch.arange(len(region)) % forward(region.centre).shape[1]
    bounds, margins = linear_bounds(forward, region), linear_margins(forward, region, y)
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


@pytest.mark.parametrize("tighten", [True, False])
@pytest.mark.parametrize("widths", [(3, 8, 4), (2, 6, 7, 3), (4, 5, 6, 5, 2)])
def test_equals_the_twin(widths, tighten):
    net, region = mlp(*widths), box(3, widths[0])
    lower, upper = crown(net, *region.bounds, tighten=tighten)
    found = linear_bounds(net, region, intermediate="linear" if tighten else "interval")
    torch.testing.assert_close(found.lower, lower, rtol=0, atol=1e-9)
    torch.testing.assert_close(found.upper, upper, rtol=0, atol=1e-9)


def test_the_twin_is_sound():
    net, region = mlp(2, 6, 7, 3), box(3, 2)
    lower, upper = crown(net, *region.bounds)
    for x in points_of(region, 500):
        assert ((lower <= net(x) + EXACT) & (net(x) <= upper + EXACT)).all()


def test_margins_are_those_of_the_net_whose_outputs_are_the_margins():
    net, region, y = mlp(3, 8, 8, 4), box(3, 3), torch.tensor([0, 2, 1])
    for label in range(4):
        margins = nn.Linear(4, 4).double()
        with torch.no_grad():
            margins.weight.copy_(torch.eye(4)[label] - torch.eye(4))
            margins.bias.zero_()
        lower, _ = crown(nn.Sequential(*net[:-1], merged(net[-1], margins)), *region.bounds)
        torch.testing.assert_close(linear_margins(net, region, y)[y == label], lower[y == label], rtol=0, atol=1e-9)


def merged(first, second):
    layer = nn.Linear(first.in_features, second.out_features).double()
    with torch.no_grad():
        layer.weight.copy_(second.weight @ first.weight)
        layer.bias.copy_(second.weight @ first.bias + second.bias)
    return layer


def test_a_linear_net_is_bounded_exactly():
    net = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 4), nn.Flatten(), nn.Linear(4, 3)).double()
    region = box(2, 3)
    ends = vertices(net, region)
    found = linear_bounds(net, region)
    torch.testing.assert_close(found.lower, ends.amin(0))
    torch.testing.assert_close(found.upper, ends.amax(0))
    y = torch.tensor([1, 2])
    margins = ends.gather(2, y[:, None].expand(len(ends), 2, 1)) - ends
    torch.testing.assert_close(linear_margins(net, region, y), margins.amin(0))


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


@settings(max_examples=20, deadline=None)
@given(
    channels=st.integers(1, 2),
    size=st.integers(3, 6),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    batch=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_residual_convolutional_nets_are_sound(channels, size, kernel, stride, padding, batch, seed):
    torch.manual_seed(seed)
    net = Residual(channels, kernel, stride, padding).double().eval()
    assert_sound(net, box(batch, channels, size, size), count=30)


@settings(max_examples=20, deadline=None)
@given(widths=st.lists(st.integers(1, 7), min_size=2, max_size=5), batch=st.integers(1, 3), seed=st.integers(0, 999))
def test_fully_connected_nets_are_sound(widths, batch, seed):
    torch.manual_seed(seed)
    assert_sound(mlp(*widths, 3), box(batch, widths[0]), count=30)


def test_it_is_tighter_than_intervals_where_these_lose_correlations():
    net, region, y = mlp(4, 16, 16, 3), box(8, 4), torch.zeros(8, dtype=torch.long)
    margins, by_interval = linear_margins(net, region, y), margin_lower_bounds(net(region), y)
    assert (margins[:, 1:] > by_interval[:, 1:] + 0.01).all()


def test_bounds_of_intermediate_layers_by_the_backward_pass_are_tighter():
    net, region, y = mlp(4, 16, 16, 16, 3), box(8, 4), torch.zeros(8, dtype=torch.long)
    tight = linear_margins(net, region, y)
    loose = linear_margins(net, region, y, intermediate="interval")
    assert tight[:, 1:].sum() > loose[:, 1:].sum() + 0.1


MASK = torch.tensor([True, False, True, False])
AFFINE = {
    "view": lambda x: x.view(x.shape[0], -1),
    "permute": lambda x: x.permute(0, 2, 3, 1),
    "transpose": lambda x: x.transpose(1, 2),
    "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(1, -1),
    "unsqueeze and squeeze": lambda x: x.unsqueeze(2).squeeze(2),
    "narrow": lambda x: x.narrow(2, 1, 2),
    "slice": lambda x: x[:, :, ::2, 1:],
    "index with a mask": lambda x: x[..., MASK],
    "index with a list": lambda x: x[:, [1, 0, 1]],
    "expand": lambda x: x[:, :1].expand(-1, 3, -1, -1),
    "repeat": lambda x: x.repeat(1, 2, 1, 1),
    "flip and roll": lambda x: x.flip(2).roll(1, 3),
    "split": lambda x: x.split(1, dim=1)[1],
    "chunk": lambda x: torch.stack(x.chunk(2, dim=2), dim=1),
    "unbind": lambda x: torch.cat(x.unbind(1), dim=1),
    "cat with a constant": lambda x: torch.cat([x, torch.ones_like(x), -x], 1),
    "pad": lambda x: functional.pad(x, (1, 0, 2, 1), value=3.0),
    "pad by reflection": lambda x: functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "where": lambda x: torch.where(MASK, x, 0.5),
    "masked_fill": lambda x: x.masked_fill(MASK, 2.0),
    "set an item": lambda x: set_item(x),
    "to": lambda x: x.to(torch.float64),
    "detach and contiguous": lambda x: x.detach().contiguous(),
    "multiply and divide": lambda x: 2 * x * torch.arange(4.0) / 3,
    "subtract": lambda x: 1 - x - torch.ones(4, 4),
    "negate": lambda x: -x,
    "add in place": lambda x: x.clone().add_(1).mul_(2),
    "add and broadcast": lambda x: x + x.mean((2, 3), keepdim=True),
    "sum": lambda x: x.sum(1),
    "cumsum": lambda x: x.cumsum(1),
    "matmul": lambda x: x @ torch.arange(8.0, dtype=x.dtype).view(4, 2),
    "matmul from the left": lambda x: torch.arange(8.0, dtype=x.dtype).view(2, 4) @ x,
    "einsum": lambda x: torch.einsum("bchw,hk->bckw", x, torch.ones(4, 3, dtype=x.dtype)),
    "average pooling": lambda x: functional.avg_pool2d(x, 3, stride=2, padding=1),
    "adaptive pooling": lambda x: functional.adaptive_avg_pool2d(x, 3),
    "interpolate": lambda x: functional.interpolate(x, scale_factor=2, mode="bilinear"),
    "unfold": lambda x: functional.unfold(x, 2),
    "pixel_unshuffle": lambda x: functional.pixel_unshuffle(x, 2),
    "transposed convolution": lambda x: functional.conv_transpose2d(x, torch.ones(2, 3, 2, 2, dtype=x.dtype), stride=2),
    "convolution with same padding": lambda x: functional.conv2d(
        x, torch.ones(3, 2, 3, 3, dtype=x.dtype), torch.ones(3, dtype=x.dtype), padding="same"
    ),
    "dropout": lambda x: functional.dropout(x, 0.5, training=False),
    "windows in the batch": lambda x: x.reshape(-1, 4, 4).mean(1).view(len(x), 2, 4),
}


def set_item(x):
    copy = x.clone()
    copy[:, 0, 1:] = -x[:, 1, 1:]
    return copy


@pytest.mark.parametrize("name", AFFINE)
def test_affine_functions_are_exact(name):
    function = AFFINE[name]
    region = box(2, 2, 4, 4)
    weight = torch.randn(function(region.centre).flatten(1).shape[1], 3, dtype=torch.double)

    def net(x):
        return function(x).flatten(1) @ weight

    # Of an affine function the box's centre and its Jacobian tell all.
    jacobian = torch.autograd.functional.jacobian(lambda x: net(x).sum(0), region.centre).movedim(1, 0).flatten(2)
    reach = torch.einsum("bcn,bn->bc", jacobian.abs(), region.radius.flatten(1))
    found = linear_bounds(net, region)
    if name == "detach and contiguous":
        reach = torch.einsum("nc,bn->bc", weight.abs(), region.radius.flatten(1))
    torch.testing.assert_close(found.lower, net(region.centre) - reach)
    torch.testing.assert_close(found.upper, net(region.centre) + reach)
