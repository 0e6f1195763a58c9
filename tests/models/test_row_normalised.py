from fractions import Fraction

import pytest
import torch
from torch import nn

from ratlp.bounds import lipschitz_bound
from ratlp.models import LipschitzConv2d, LipschitzLinear, MaxMin


def net():
    return nn.Sequential(
        LipschitzConv2d(1, 4, 3, padding=1), MaxMin(), LipschitzConv2d(4, 6, 3, stride=2, groups=2, bias=False),
        MaxMin(), nn.Flatten(), LipschitzLinear(54, 8), MaxMin(), LipschitzLinear(8, 3),
    )  # fmt: skip


def test_the_net_is_1_lipschitz_at_every_step_of_training():
    model = net()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    x, y = torch.randn(32, 1, 8, 8), torch.randint(3, (32,))
    losses = []
    for _ in range(30):
        assert lipschitz_bound(model) <= 1
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(100 * model(x), y)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert lipschitz_bound(model) > 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("width", [3, 100, 1000])
def test_no_row_exceeds_1_in_exact_arithmetic(dtype, width):
    layer = LipschitzLinear(width, 20, dtype=dtype)
    with torch.no_grad():
        layer.parametrizations.weight.original.uniform_(-3, 3).add_(3.5)
    sums = [sum(Fraction(abs(entry)) for entry in row) for row in layer.weight.double().tolist()]
    assert max(sums) <= 1
    assert min(sums) >= 1 - 8 * torch.finfo(dtype).eps


def test_rows_within_the_ball_stay_and_can_grow():
    layer = LipschitzLinear(4, 2)
    small = torch.tensor([[0.1, -0.2, 0.0, 0.3], [0.0, 0.0, 0.0, 0.0]])
    layer.weight = small
    assert torch.equal(layer.weight, small)
    layer.weight.sum().backward()
    assert torch.equal(layer.parametrizations.weight.original.grad, torch.ones(2, 4))


def test_the_arguments_are_those_of_torch():
    conv = LipschitzConv2d(2, 4, (1, 3), stride=2, padding=(0, 1), dilation=1, groups=2, bias=False)
    assert conv(torch.randn(1, 2, 6, 6)).shape == (1, 4, 3, 3)
    assert conv.bias is None


def test_the_weights_travel_in_a_state_dict():
    model, twin = net(), net()
    twin.load_state_dict(model.state_dict())
    x = torch.randn(2, 1, 8, 8)
    assert torch.equal(model(x), twin(x))
