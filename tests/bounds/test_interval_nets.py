"""Whole nets: points stay within the bounds, and a net's bounds are as tight as the method allows."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from utils.rule_points import box_of, check_inside

from ratlp.bounds import Interval

ACTIVATIONS = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid, nn.LeakyReLU, nn.ELU, nn.Hardswish, nn.Mish, nn.Softplus)


class Residual(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x):
        return x + self.body(x)


class Patches(nn.Module):
    """A small vision transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 8, 3, stride=3)
        self.position = nn.Parameter(torch.randn(1, 4, 8) / 4)
        self.block = nn.TransformerEncoderLayer(8, 2, 12, batch_first=True, activation="gelu", norm_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        tokens = self.embed(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.block(tokens)[:, 0])


def random_net(seed: int) -> nn.Module:
    """One of five kinds, with widths, activations and statistics at random; images `[batch, 1, 6, 6]`."""
    torch.manual_seed(seed)
    width, act = int(torch.randint(4, 9, ())), ACTIVATIONS[seed % len(ACTIVATIONS)]
    kinds = (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, width), act(), nn.Linear(width, width), act()),
        lambda: nn.Sequential(nn.Conv2d(1, width, 3, 2, 1), act(), nn.Conv2d(width, width, 3), act(), nn.Flatten()),
        lambda: nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1, padding_mode="circular"),
            nn.BatchNorm2d(width),
            act(),
            Residual(nn.Sequential(nn.Conv2d(width, width, 3, padding="same"), nn.BatchNorm2d(width), act())),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
        ),
        lambda: nn.Sequential(
            nn.Conv2d(1, 2 * width, 3, padding=1, padding_mode="reflect"),
            nn.GroupNorm(2, 2 * width),
            act(),
            nn.MaxPool2d(2, 1, 1),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.ConvTranspose2d(2 * width, 2, 2, 2),
            nn.AvgPool2d(3, 2, 1),
            nn.Flatten(),
            nn.LayerNorm(392),
        ),
        Patches,
    )
    body = kinds[seed % 5]()
    net = body if isinstance(body, Patches) else nn.Sequential(body, nn.LazyLinear(3))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.normal_(module.weight)
    net.eval().double()(torch.zeros(1, 1, 6, 6, dtype=torch.float64))
    return net.requires_grad_(False)


def strongest_points(net: nn.Module, lower, upper, steps: int) -> torch.Tensor:
    """PGD from random points, each towards a random direction of the output."""
    x = lower + torch.rand_like(lower) * (upper - lower)
    direction = torch.randn(len(x), 3, dtype=x.dtype)
    for _ in range(steps):
        x = x.requires_grad_()
        (gradient,) = torch.autograd.grad((net(x) * direction).sum(), x)
        x = torch.clamp(x.detach() + 0.3 * (upper - lower) * gradient.sign(), lower, upper)
    return net(x)


def check_points(seed: int, count: int) -> None:
    """Uniform points, mixtures with vertices, and one in ten from PGD."""
    net = random_net(seed)
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)
    eps = 0.02 if seed % 5 > 2 else 0.3
    box = net(Interval(x - eps, x + eps))
    few = count // 10
    uniform = torch.rand(count - few, *x.shape[1:], dtype=torch.float64)
    mixed = torch.where(torch.rand(count - few, 1, 1, 1) < 0.5, uniform, (uniform > 0.5).double())
    strong = strongest_points(net, *(end.expand(few, -1, -1, -1) for end in (x - eps, x + eps)), steps=4)
    values = torch.cat([net(x - eps + mixed * 2 * eps), strong])
    assert (values >= box.lower - 1e-9).all()
    assert (values <= box.upper + 1e-9).all()
    assert (box.radius > 0).all()


@pytest.mark.parametrize("seed", range(10))
def test_points_never_leave_the_box(seed):
    check_points(seed, 500)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_ten_thousand_points_never_leave_the_box(seed):
    check_points(seed, 10_000)


CONVOLUTIONS = {
    False: (nn.Conv1d, nn.Conv2d, nn.Conv3d),
    True: (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
}


@settings(max_examples=45, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(0, 2),
    st.integers(4, 7),
    st.booleans(),
)
def test_convolutions_of_any_shape(axes, batch, inside, kernel, stride, padding, size, transposed):
    torch.manual_seed(0)
    kind = CONVOLUTIONS[transposed][axes - 1]
    layer = kind(inside, 3, kernel, stride, min(padding, kernel - 1)).double()
    x = torch.randn(batch, inside, *[size] * axes, dtype=torch.float64)
    radius = torch.rand_like(x)
    box = layer(Interval(x - radius, x + radius))
    # The vertex that takes one output furthest: radius times the sign of its weights.
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(layer(x).flatten()[-1], x)
    furthest = layer(x + radius * gradient.sign()).flatten()[-1]
    torch.testing.assert_close(box.upper.flatten()[-1], furthest)


POOLS = {
    "max": (nn.functional.max_pool1d, nn.functional.max_pool2d, nn.functional.max_pool3d),
    "average": (nn.functional.avg_pool1d, nn.functional.avg_pool2d, nn.functional.avg_pool3d),
}


@pytest.mark.parametrize("kind", sorted(POOLS))
@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 3),
    st.lists(st.integers(1, 2), min_size=1, max_size=2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
    st.integers(3, 5),
    st.booleans(),
)
def test_pools_of_any_shape_are_exact(kind, axes, leading, kernel, stride, padded, size, ceil):
    pool, box = POOLS[kind][axes - 1], box_of([*leading, *[size] * axes])

    def pooled(x):
        return pool(x, kernel, stride, kernel // 2 * padded, ceil_mode=ceil)

    bounds = check_inside(pooled, box)
    torch.testing.assert_close(bounds.lower, pooled(box.lower))
    torch.testing.assert_close(bounds.upper, pooled(box.upper))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 3), st.booleans())
def test_normalisations_of_any_shape(shape, axes, affine):
    box, axes = box_of(shape), min(axes, len(shape))
    weights = [torch.randn(2, *shape[-axes:], dtype=torch.float64)[i] if affine else None for i in range(2)]
    check_inside(lambda x: nn.functional.layer_norm(x, shape[-axes:], *weights), box)
    check_inside(lambda x: nn.functional.rms_norm(x, shape[-axes:], weights[0]), box)
    check_inside(lambda x: nn.functional.normalize(x, dim=-axes), box)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.lists(st.integers(2, 3), max_size=3),
    st.sampled_from(["group", "instance", "batch"]),
)
def test_norms_of_channels_of_any_shape(batch, groups, width, rest, kind):
    channels = groups * width
    box = box_of([batch, channels, *(rest or [2] * (kind != "batch"))])
    mean, variance = torch.randn(channels).double(), torch.rand(channels).double() + 0.1
    norms = {
        "group": lambda x: nn.functional.group_norm(x, groups, mean, variance),
        "instance": lambda x: nn.functional.instance_norm(x, weight=mean, bias=variance),
        "batch": lambda x: nn.functional.batch_norm(x, mean, variance, mean, variance),
    }
    check_inside(norms[kind], box)


def test_linear_maps_are_exact():
    torch.manual_seed(0)
    layer, x = nn.Linear(4, 5).double(), torch.randn(1, 4, dtype=torch.float64)
    vertices = torch.cartesian_prod(*[torch.tensor([-0.3, 0.3], dtype=torch.float64)] * 4)
    values = layer(x + vertices)
    box = layer(Interval(x - 0.3, x + 0.3))
    torch.testing.assert_close(box.lower[0], values.amin(0))
    torch.testing.assert_close(box.upper[0], values.amax(0))


@pytest.mark.parametrize("function", [torch.relu, torch.tanh, torch.exp, nn.functional.softplus, nn.functional.elu])
def test_rising_functions_reach_their_bounds(function):
    lower, upper = torch.tensor([-2.0, -1.0, 0.5]), torch.tensor([-0.5, 3.0, 0.5])
    box = function(Interval(lower, upper))
    assert torch.equal(box.lower, function(lower))
    assert torch.equal(box.upper, function(upper))


@pytest.mark.parametrize(
    "function",
    [
        nn.functional.gelu,
        lambda x: nn.functional.gelu(x, approximate="tanh"),
        *(nn.functional.silu, nn.functional.mish, nn.functional.hardswish, torch.square, torch.abs, torch.cosh),
    ],
)
def test_valleys_have_the_least_value_of_a_fine_grid(function):
    lower, upper = torch.tensor([-3.0, -1.0, 0.2, -5.0]).double(), torch.tensor([2.0, -0.2, 3.0, -2.0]).double()
    grid = torch.lerp(lower, upper, torch.linspace(0, 1, 100_001, dtype=torch.float64)[:, None])
    box = function(Interval(lower, upper))
    torch.testing.assert_close(box.lower, function(grid).amin(0), rtol=0, atol=1e-8)
    torch.testing.assert_close(box.upper, function(grid).amax(0), rtol=0, atol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_bounds_have_the_tensors_dtype(dtype):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 3), nn.Softmax(-1)).to(dtype)
    x = torch.randn(5, 4, dtype=dtype)
    box = net(Interval(x - 0.25, x + 0.25))
    assert box.dtype == box.lower.dtype == box.upper.dtype == dtype
    assert (box.lower - 0.01 <= net(x)).all()
    assert (net(x) <= box.upper + 0.01).all()


def test_bounds_stay_on_their_device():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    x = torch.zeros(2, 1, 6, 6, device="meta")
    assert net.to("meta")(Interval(x, x + 1)).lower.device.type == "meta"


@pytest.mark.parametrize("kind", ["mlp", "ball"])
def test_gradients_are_those_of_finite_differences(kind):
    torch.manual_seed(3)
    first, second = torch.randn(4, 3, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    centre, radius = torch.randn(2, 3, dtype=torch.float64), torch.rand(2, 3, dtype=torch.float64)

    def bounds(first, second, centre, radius):
        box = Interval.of_ball(centre, radius) if kind == "ball" else Interval(centre - radius, centre + radius)
        return nn.functional.linear(torch.relu(nn.functional.linear(box, first)), second).bounds

    leaves = [leaf.requires_grad_() for leaf in (first, second, centre, radius)]
    assert torch.autograd.gradcheck(bounds, leaves)
    assert torch.autograd.gradgradcheck(bounds, leaves)


def test_relu_of_a_ball_is_relu_of_its_bounds():
    """The fused rule and the plain one, with their gradients."""
    torch.manual_seed(0)
    centre, radius = torch.randn(1000, dtype=torch.float64), torch.rand(1000, dtype=torch.float64)
    weights = torch.randn(2, 1000, dtype=torch.float64)
    found = []
    for fused in (True, False):
        c, r = centre.clone().requires_grad_(), radius.clone().requires_grad_()
        box = torch.relu(Interval.of_ball(c, r) if fused else Interval(c - r, c + r))
        (weights[0] * box.lower + weights[1] * box.upper).sum().backward()
        found.append((box.lower, box.upper, box.centre, box.radius, c.grad, r.grad))
    for fused, plain in zip(*found, strict=True):
        torch.testing.assert_close(fused, plain)
