import re

import pytest
import torch
from torch import nn
from torch.nn import functional
from utils.linear_soundness import assert_sound, box

from ratlp.bounds import Interval, linear_bounds
from ratlp.bounds.interval import BatchStatistics, rules as interval_rules, shapes, supplied
from ratlp.bounds.linear import rules
from ratlp.errors import BoundError

MASK = torch.tensor([True, False, True, False])
BIAS = [[1.0, -2.0, 3.0, 0.0], [0.5, 0.0, -1.0, 2.0], [4.0, 1.0, 0.0, -3.0], [0.0, 2.0, 0.0, 1.0]]
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
    "negate in place": lambda x: torch.neg_(x.clone()),
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
    "divide by keyword": lambda x: torch.div(input=x, other=2),
    "average pooling by keyword": lambda x: functional.avg_pool2d(input=x, kernel_size=2),
    "pixel_unshuffle by keyword": lambda x: functional.pixel_unshuffle(input=x, downscale_factor=2),
    "transposed convolution by keyword": lambda x: torch.conv_transpose2d(
        input=x, weight=torch.ones(2, 3, 2, 2, dtype=x.dtype), bias=torch.ones(3, dtype=x.dtype)
    ),
    "convolution with same padding by keyword": lambda x: torch.conv2d(
        input=x, weight=torch.ones(3, 2, 3, 3, dtype=x.dtype), padding="same"
    ),
    "linear with a bias for each sample": lambda x: functional.linear(
        x, torch.eye(4, dtype=x.dtype), x.new_tensor(BIAS)
    ),
    "linear to one number": lambda x: functional.linear(
        x, torch.arange(4, dtype=x.dtype), torch.ones((), dtype=x.dtype)
    ),
    "torch's batch norm by keyword": lambda x: torch.batch_norm(
        input=x,
        weight=None,
        bias=x.new_ones(2),
        running_mean=x.new_ones(2),
        running_var=x.new_ones(2),
        training=False,
        momentum=0.1,
        eps=0.1,
        cudnn_enabled=False,
    ),
    "torch's dropout by keyword": lambda x: torch.dropout(x, p=0.5, train=False),
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


ACTIVATIONS = [nn.Tanh(), nn.Sigmoid(), nn.LeakyReLU(0.3), nn.LeakyReLU(1.5), nn.GELU(), nn.Softplus()]


@pytest.mark.parametrize("activation", [*ACTIVATIONS, nn.ReLU(inplace=True), nn.LeakyReLU(0.3, inplace=True)], ids=repr)
def test_other_activations_are_sound(activation):
    net = nn.Sequential(nn.Linear(3, 8), activation, nn.Linear(8, 8), activation, nn.Linear(8, 3)).double()
    for eps in (0.05, 3.0):
        assert_sound(net, box(3, 3, eps=eps), count=100)


def test_a_leaky_relu_in_place_has_the_bounds_of_the_one_that_is_not():
    first, second = nn.Linear(3, 8).double(), nn.Linear(8, 3).double()
    region = box(3, 3)
    expected = linear_bounds(lambda x: second(functional.leaky_relu(first(x), 0.3)), region)
    found = linear_bounds(lambda x: second(functional.leaky_relu_(first(x), 0.3)), region)
    assert torch.equal(found.lower, expected.lower)
    assert torch.equal(found.upper, expected.upper)


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


def test_coordinates_that_padding_repeats_are_known_to_be_the_same():
    difference = torch.tensor([[1.0, 0.0, -1.0, 0.0, 0.0]]).double()  # of the second coordinate and itself

    def net(x):
        padded = functional.pad(x, (1, 1), mode="reflect")
        return torch.relu(functional.linear(padded, difference)).flatten(1)

    assert linear_bounds(net, box(1, 1, 3)).upper.item() == 0.0


def test_every_rule_belongs_to_a_function_that_intervals_know():
    """Calls are bounded by intervals first: a rule for any other function would never be asked for."""
    own = {function for function in rules.RULES if "torch" not in getattr(function, "__module__", "torch")}
    assert rules.RULES.keys() - own <= interval_rules.RULES.keys()


def test_every_rearrangement_that_intervals_know_keeps_correlations():
    names = {*shapes._VIEWS, *shapes._COPIES, *shapes._SEVERAL_VIEWS} - {"masked_select"}
    known = [f for name in names for f in (getattr(torch, name, None), getattr(torch.Tensor, name, None)) if f]
    assert not [function for function in known if function not in rules.RULES]
