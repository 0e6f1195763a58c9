import itertools
import re

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from torch.nn import functional
from utils.crown_twin import crown

from ratlp.bounds import Interval, L2Ball, SlopeAscent, linear_bounds, linear_margins, margin_lower_bounds
from ratlp.bounds.interval import BatchStatistics, shapes, supplied
from ratlp.bounds.linear import rules, tighten as tighten_module
from ratlp.errors import BoundError, InputError
from ratlp.latent import Cut

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
    "add a multiple": lambda x: torch.add(x, x.roll(1, 3), alpha=3),
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


@pytest.mark.parametrize(
    "activation",
    [nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(0.3), nn.LeakyReLU(1.5), nn.GELU(), nn.Softplus(), nn.ReLU(inplace=True)],
    ids=repr,
)
def test_other_activations_are_sound(activation):
    net = nn.Sequential(nn.Linear(3, 8), activation, nn.Linear(8, 8), activation, nn.Linear(8, 3)).double()
    for eps in (0.05, 3.0):
        assert_sound(net, box(3, 3, eps=eps), count=100)


class Unruly(nn.Module):
    """Calls without a linear rule: they are boxes of their own, beside calls that have one."""

    def forward(self, x):
        z = functional.max_pool2d(x, 2).flatten(1)
        z = torch.cat(
            [
                z * z,
                z / (1 + z.abs()),
                z.softmax(1),
                z.sort(1)[0],
                x.flatten(2).max(1).values,
                functional.layer_norm(z, z.shape[1:]),
            ],
            1,
        )
        return (z - z.flip(1))[:, :3] + x.mean((1, 2, 3), keepdim=True).flatten(1)


def test_calls_without_a_rule_are_sound():
    assert_sound(Unruly(), box(3, 2, 4, 4))


def test_a_quotient_by_what_varies_is_no_affine_call():
    region = Interval(torch.full((1, 1), 1.0).double(), torch.full((1, 1), 2.0).double())
    found = linear_bounds(lambda x: torch.div(torch.full_like(x, 6.0), x), region)
    assert (found.lower.item(), found.upper.item()) == (3.0, 6.0)


@pytest.mark.parametrize("widths", [(4, 12, 3), (3, 8, 8, 8, 4)])
def test_chosen_slopes_are_sound_and_never_worse(widths):
    net, region = mlp(*widths), box(6, widths[0], eps=1.0)
    y = torch.arange(6) % widths[-1]
    before = linear_margins(net, region, y)
    after = linear_margins(net, region, y, ascent=SlopeAscent())
    assert (after >= before - EXACT).all()
    assert (after > before + 1e-3).any()
    for x in points_of(region, 500):
        logits = net(x).detach()
        assert (after <= logits.gather(1, y[:, None]) - logits + EXACT).all()
    for j in range(widths[-1]):
        assert (after[:, j] <= attacked(net, region, y, j) + EXACT).all()
    assert all(parameter.grad is None for parameter in net.parameters())


def test_steps_that_go_astray_lose_nothing():
    net, region, y = mlp(4, 12, 3), box(6, 4, eps=1.0), torch.arange(6) % 3
    astray = linear_margins(net, region, y, ascent=SlopeAscent(steps=4, step_size=100.0))
    assert (astray >= linear_margins(net, region, y) - EXACT).all()


def test_chosen_slopes_of_leaky_relus_are_sound():
    for _ in range(10):
        net = nn.Sequential(nn.Linear(2, 6), nn.LeakyReLU(0.5), nn.Linear(6, 2)).double()
        region, y = box(4, 2, eps=2.0), torch.tensor([0, 1, 0, 1])
        margins = linear_margins(net, region, y, ascent=SlopeAscent())
        for j in range(2):
            assert (margins[:, j] <= attacked(net, region, y, j) + EXACT).all()
        for x in points_of(region, 100):
            logits = net(x).detach()
            assert (margins <= logits.gather(1, y[:, None]) - logits + EXACT).all()


def test_the_ascent_of_a_net_without_free_slopes_is_its_exact_bound():
    net, region, y = nn.Linear(3, 3).double(), box(2, 3), torch.tensor([0, 1])
    torch.testing.assert_close(linear_margins(net, region, y, ascent=SlopeAscent()), linear_margins(net, region, y))


@pytest.mark.parametrize("bounds", [None, (-0.5, 0.5)])
def test_l2_balls_are_sound_and_tighter_than_their_boxes(bounds):
    net, y = mlp(4, 12, 12, 3), torch.arange(5) % 3
    centre = torch.rand(5, 4).double() - 0.5
    ball = L2Ball(centre, 0.4, bounds=bounds)
    margins = linear_margins(net, ball, y)
    assert margins.sum() > linear_margins(net, ball.box, y).sum() + 0.1
    for _ in range(500):
        delta = functional.normalize(torch.randn(5, 4).double(), dim=1) * 0.4 * torch.rand(5, 1) ** 0.1
        x = centre + delta
        x = x if bounds is None else x.clamp(*bounds)
        logits = net(x).detach()
        assert (margins <= logits.gather(1, y[:, None]) - logits + EXACT).all()


def test_a_linear_net_on_an_l2_ball_is_exact():
    net = nn.Linear(4, 3).double()
    centre = torch.randn(5, 4).double()
    found = linear_bounds(net, L2Ball(centre, 0.4))
    torch.testing.assert_close(found.lower, net(centre) - 0.4 * net.weight.norm(dim=1))


def test_the_rest_of_a_net_on_a_box_of_its_latent():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 3))
    net, x, y = net.double(), torch.rand(4, 1, 4, 4).double(), torch.tensor([0, 1, 2, 0])
    cut = Cut(net, ["1"])
    recording = cut.encode(x)
    latent = recording.latent.detach()
    region = Interval(latent - 0.05, latent + 0.05)
    found = linear_margins(lambda z: cut.replay(recording.with_latent(z)), region, y)
    torch.testing.assert_close(found, linear_margins(net[2:], region, y))


def test_shortcuts_around_the_latent_are_constants():
    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.before, self.layer, self.head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 3)

        def forward(self, x):
            z = self.before(x)
            return self.head(torch.relu(z * self.layer(z) + z))

    net, x = Around().double(), torch.rand(2, 3).double()
    cut = Cut(net, ["layer"])
    recording = cut.encode(x)
    latent = recording.latent.detach()
    assert_sound(lambda z: cut.replay(recording.with_latent(z)), Interval(latent - 0.1, latent + 0.1), count=50)


def test_bounds_carry_gradients_to_the_weights():
    net, region, y = mlp(3, 6, 5, 3), box(4, 3), torch.tensor([0, 1, 2, 0])
    linear_margins(net, region, y).sum().backward()
    weight = net[2].weight
    step = 1e-6
    with torch.no_grad():
        before = linear_margins(net, region, y).sum()
        weight[0, 0] += step
        after = linear_margins(net, region, y).sum()
    assert abs((after - before) / step - weight.grad[0, 0]) < 1e-4


def test_memory_is_bounded_by_chunks_that_do_not_change_the_bounds(monkeypatch):
    net, region = Residual(1, 3, 1, 1).double().eval(), box(3, 1, 5, 5)
    whole = linear_bounds(net, region)
    monkeypatch.setitem(tighten_module._ELEMENTS, "cpu", 1)
    one_at_a_time = linear_bounds(net, region)
    torch.testing.assert_close(one_at_a_time.lower, whole.lower)
    torch.testing.assert_close(one_at_a_time.upper, whole.upper)


def test_a_batch_is_bounded_as_its_samples_are():
    net, region, y = Residual(2, 3, 2, 1).double().eval(), box(4, 2, 6, 6), torch.arange(4)
    together = linear_margins(net, region, y, ascent=SlopeAscent(steps=3))
    for i in range(4):
        one = Interval(region.lower[i : i + 1], region.upper[i : i + 1])
        alone = linear_margins(net, one, y[i : i + 1], ascent=SlopeAscent(steps=3))
        torch.testing.assert_close(alone[0], together[i])


def test_a_point_is_bounded_by_its_logits():
    net, x = mlp(3, 6, 5, 3), torch.randn(4, 3).double()
    found = linear_bounds(net, Interval(x, x))
    torch.testing.assert_close(found.lower, net(x))
    torch.testing.assert_close(found.upper, net(x))


def test_models_may_return_their_logits_in_a_container():
    net, region = mlp(3, 5, 2), box(2, 3)
    found = linear_bounds(lambda x: {"logits": net(x)}, region)
    torch.testing.assert_close(found.lower, linear_bounds(net, region).lower)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: torch.linalg.svd(x)[0], "there is none for torch.linalg.svd"),
        (lambda x: x - x.mean(0), "apart, along the first axis; found them mixed or moved by torch.Tensor.mean"),
        (lambda x: x.flip(0), "mixed or moved by torch.Tensor.flip"),
        (lambda x: x.t().t(), "mixed or moved by torch.Tensor.t"),
        (lambda x: x.sum(), "mixed or moved by torch.Tensor.sum"),
        (lambda x: torch.ones(3, 3), "found a result that does not vary"),
        (nn.Sequential(nn.BatchNorm1d(3)), "BatchNorm in training depends on the whole batch"),
        (nn.Sequential(nn.Dropout()), "dropout to be off; found it in training"),
    ],
)
def test_what_cannot_be_bounded_is_refused(forward, message):
    x = torch.rand(3, 3)
    with pytest.raises(BoundError, match=re.escape(message)):
        linear_bounds(forward, Interval(x, x + 1))


def test_batch_norm_in_training_is_refused_also_where_intervals_have_its_statistics():
    net, x = nn.BatchNorm1d(3), torch.rand(4, 3)
    with BatchStatistics() as statistics:
        net(x)
    message = "found one in training: call model.eval()"
    with supplied(2 * statistics.found), pytest.raises(BoundError, match=re.escape(message)):
        linear_bounds(net, Interval(x, x + 1))
    assert net.running_mean.isfinite().all()


def test_instance_norm_is_sound_in_evaluation_and_refused_in_training():
    net, x = nn.InstanceNorm1d(3, track_running_stats=True).double(), torch.randn(2, 3, 4).double()
    net(x)
    with pytest.raises(BoundError, match=re.escape("found one in training: call model.eval()")):
        linear_bounds(lambda x: net(x).flatten(1), Interval(x, x + 1))
    assert net.running_mean.isfinite().all()
    assert_sound(lambda x: net.eval()(x).flatten(1), Interval(x, x + 1))


def test_a_refusal_names_the_module():
    class Mixing(nn.Module):
        def forward(self, x):
            return x - x.mean(0)

    net = nn.Sequential(nn.Linear(3, 3), Mixing())
    x = torch.rand(3, 3)
    with pytest.raises(BoundError, match=re.escape("mean, in Mixing '1'")):
        linear_bounds(net, Interval(x, x + 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SlopeAscent(steps=0), "steps must be >= 1; found 0"),
        (lambda: SlopeAscent(step_size=-1), "step_size must be finite and > 0; found -1"),
        (lambda: L2Ball(torch.zeros(1, 2), -1.0), "radius must be finite and >= 0; found -1"),
        (lambda: L2Ball(torch.full((1, 2), 2.0), 1.0, bounds=(0, 1)), "within bounds=(0, 1); found 2 to 2"),
        (
            lambda: linear_bounds(nn.Flatten(), Interval(torch.zeros(1, 2), torch.ones(1, 2)), intermediate="crown"),
            "intermediate must be one of 'linear', 'interval'; found 'crown'",
        ),
    ],
)
def test_values_out_of_range_are_refused(make, message):
    with pytest.raises(InputError, match=re.escape(message)):
        make()


def test_every_rearrangement_that_intervals_know_keeps_correlations():
    names = {*shapes._VIEWS, *shapes._COPIES, *shapes._SEVERAL_VIEWS} - {"masked_select"}
    known = [f for name in names for f in (getattr(torch, name, None), getattr(torch.Tensor, name, None)) if f]
    assert not [function for function in known if function not in rules.RULES]


def test_an_empty_batch_is_refused():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    with pytest.raises(InputError, match="linear bounds need a batch of one sample or more; found none"):
        linear_margins(model, Interval(torch.zeros(0, 2), torch.ones(0, 2)), torch.zeros(0, dtype=torch.int64))
