import math

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import register_parametrization

from ratlp.bounds import Interval, interval_init_
from ratlp.errors import InputError


def mean_radius(net, x):
    return net(Interval(x - 0.1, x + 0.1)).radius.mean().item()


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (nn.Linear(300, 200), 300),
        (nn.Conv1d(30, 200, 5), 150),
        (nn.Conv2d(8, 256, 3, padding=1), 72),
        (nn.Conv2d(8, 256, 3, groups=4), 18),
        (nn.Conv3d(4, 64, 3), 108),
        (nn.ConvTranspose2d(16, 64, 4, stride=2), 64),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_weights_have_the_stated_spread(layer, inputs):
    torch.manual_seed(0)
    assert interval_init_(layer) is layer
    n = layer.weight.numel()
    # The variance of n normal draws is within 5 of its standard errors, sqrt(2 / n), but once in a million times.
    share = layer.weight.var().item() / (2 * math.pi / inputs**2)
    assert abs(share - 1) < 5 * math.sqrt(2 / n)
    assert not layer.bias.any()


@pytest.mark.parametrize("depth", [2, 6, 12])
def test_radii_stay_as_they_are_through_linear_layers_and_relu(depth):
    torch.manual_seed(depth)
    net = nn.Sequential(*[nn.Sequential(nn.Linear(400, 400), nn.ReLU()) for _ in range(depth)]).double()
    x = torch.rand(20, 400).double()
    assert mean_radius(net, x) > 0.1 * 3**depth  # torch's own weights: a factor of more than 3 a layer
    # Half of what a ReLU sees is kept on average; a box across zero keeps more than half of its width.
    assert 0.1 / 1.5**depth < mean_radius(interval_init_(net), x) < 0.1 * 1.5**depth


def test_radii_stay_as_they_are_through_convolutions():
    torch.manual_seed(0)
    convs = [nn.Conv2d(1, 32, 3, padding=1), nn.ReLU()]
    for _ in range(5):
        convs += [nn.Conv2d(32, 32, 3, padding=1), nn.ReLU()]
    net, x = nn.Sequential(*convs), torch.rand(4, 1, 12, 12)
    assert 0.01 < mean_radius(interval_init_(net), x) < 1


def test_other_parameters_are_left_alone_and_gradients_still_flow():
    norm = nn.BatchNorm1d(8)
    with torch.no_grad():
        norm.weight.fill_(3.0)
        norm.bias.fill_(2.0)
    net = interval_init_(nn.Sequential(nn.Linear(4, 8, bias=False), norm, nn.Linear(8, 2)))
    assert bool((norm.weight == 3).all())
    assert bool((norm.bias == 2).all())
    net(torch.rand(5, 4)).sum().backward()
    assert all(parameter.requires_grad and parameter.grad is not None for parameter in net.parameters())


def test_a_shared_layer_is_drawn_once():
    alone, shared = nn.Linear(5, 5), nn.Linear(5, 5)
    torch.manual_seed(0)
    expected = interval_init_(alone).weight
    torch.manual_seed(0)
    assert torch.equal(interval_init_(nn.Sequential(shared, nn.ReLU(), shared))[0].weight, expected)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (nn.ReLU(), "found none in ReLU"),
        (nn.Sequential(nn.Linear(3, 3), nn.LazyLinear(2)), "at '1': run the model once before"),
        (nn.Sequential(spectral_norm(nn.Linear(3, 3))), "at '0': call it before the parametrisation"),
    ],
    ids=["no layers", "lazy", "parametrised"],
)
@pytest.mark.filterwarnings("ignore:Lazy modules are a new feature")
def test_what_cannot_be_drawn_is_refused_and_nothing_is_changed(net, message):
    before = [p.clone() for p in net.parameters() if not nn.parameter.is_lazy(p)]
    with pytest.raises(InputError, match=message):
        interval_init_(net)
    after = [p for p in net.parameters() if not nn.parameter.is_lazy(p)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_the_old_weight_norm_is_refused_too():
    with pytest.warns(FutureWarning, match="weight_norm"):
        layer = nn.utils.weight_norm(nn.Linear(3, 3))
    with pytest.raises(InputError, match="before the parametrisation"):
        interval_init_(layer)


def test_a_parametrised_bias_is_refused_too():
    class Halved(nn.Module):
        def forward(self, bias):
            return bias / 2

    layer = nn.Linear(3, 3)
    register_parametrization(layer, "bias", Halved())
    with pytest.raises(InputError, match="before the parametrisation"):
        interval_init_(layer)
