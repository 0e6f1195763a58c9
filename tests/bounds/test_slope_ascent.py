import pytest
import torch
from torch import nn
from utils.linear_soundness import EXACT, attacked, box, mlp, points_of

from ratlp.bounds import SlopeAscent, linear_margins
from ratlp.errors import InputError


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


def test_an_ascent_without_gradients_is_refused():
    net, region, y = mlp(4, 12, 3), box(6, 4, eps=1.0), torch.arange(6) % 3
    with torch.inference_mode(), pytest.raises(InputError, match=r"found torch.inference_mode\(\): use torch.no_grad"):
        linear_margins(net, region, y, ascent=SlopeAscent())
