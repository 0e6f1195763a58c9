import pytest
import torch
from torch import nn
from torch.nn import functional
from utils.linear_soundness import EXACT, assert_sound, mlp

from ratlp.bounds import Interval, L2Ball, linear_bounds, linear_margins
from ratlp.errors import InputError
from ratlp.latent import Cut


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


@pytest.mark.parametrize("shape", [(3, 1), (2,), (1,), (3, 2)])
def test_a_radius_is_one_number_or_one_for_each_sample(shape):
    with pytest.raises(InputError, match=r"one for each sample, \[batch\]; found shape \("):
        L2Ball(torch.zeros(3, 2), torch.ones(shape))


def test_a_radius_for_each_sample():
    net, radius = nn.Linear(2, 3).double(), torch.tensor([0.1, 1.0, 2.0]).double()
    found = linear_bounds(net, L2Ball(torch.zeros(3, 2).double(), radius))
    torch.testing.assert_close(found.upper, net.bias + radius[:, None] * net.weight.norm(dim=1))


def test_labels_that_do_not_fit():
    with pytest.raises(InputError, match=r"found shapes \(3, 3\) and \(1,\)"):
        linear_margins(nn.Linear(2, 3), L2Ball(torch.zeros(3, 2), 0.1), torch.tensor([0]))
