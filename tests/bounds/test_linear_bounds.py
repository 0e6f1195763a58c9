import re

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch import nn
from utils.crown_twin import crown
from utils.linear_soundness import EXACT, Residual, assert_sound, box, mlp, points_of, vertices

from ratlp.bounds import Interval, L2Ball, SlopeAscent, linear_bounds, linear_margins, margin_lower_bounds
from ratlp.bounds.linear import tighten as tighten_module
from ratlp.errors import BoundError, InputError


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


CROWN_IBP = {"intermediate": "interval"}


@pytest.mark.parametrize("options", [{}, CROWN_IBP, CROWN_IBP | {"ascent": SlopeAscent(steps=3)}], ids=str)
@settings(max_examples=12, deadline=None)
@given(
    channels=st.integers(1, 2),
    size=st.integers(3, 6),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    padding=st.integers(0, 2),
    batch=st.integers(1, 3),
    seed=st.integers(0, 999),
)
def test_residual_convolutional_nets_are_sound(options, channels, size, kernel, stride, padding, batch, seed):
    torch.manual_seed(seed)
    net = Residual(channels, kernel, stride, padding).double().eval()
    assert_sound(net, box(batch, channels, size, size), count=30, **options)


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


def test_an_empty_batch_is_refused():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3))
    with pytest.raises(InputError, match="linear bounds need a batch of one sample or more; found none"):
        linear_margins(model, Interval(torch.zeros(0, 2), torch.ones(0, 2)), torch.zeros(0, dtype=torch.int64))
