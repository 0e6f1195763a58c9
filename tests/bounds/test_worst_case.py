import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.bounds import Interval, margin_lower_bounds, worst_logits
from ratlp.errors import InputError


def setting():
    torch.manual_seed(0)
    head, z = nn.Linear(4, 3).double(), torch.randn(6, 4, dtype=torch.float64)
    return head, z, torch.tensor([0, 1, 2, 0, 1, 2])


def vertices(z, radius):
    signs = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=z.shape[1])), dtype=z.dtype)
    return z + radius * signs.unsqueeze(1)


def test_margins_of_a_linear_head_are_exact():
    head, z, y = setting()
    margins = margin_lower_bounds(head(Interval(z - 0.3, z + 0.3)), y)
    logits = head(vertices(z, 0.3))
    own = logits.gather(2, y.expand(len(logits), -1).unsqueeze(2))
    torch.testing.assert_close(margins, (own - logits).amin(0))


def test_they_are_tighter_than_those_of_the_two_bounds():
    head, z, y = setting()
    logits = head(Interval(z - 0.3, z + 0.3))
    loose = margin_lower_bounds(Interval(*logits.bounds), y)
    exact = margin_lower_bounds(logits, y)
    assert (loose <= exact + 1e-12).all()
    assert (loose < exact - 1e-6).any()


def test_worst_logits_have_at_least_the_loss_of_every_vertex():
    head, z, y = setting()
    net = nn.Sequential(nn.Tanh(), head)
    worst = cross_entropy(worst_logits(net(Interval(z - 0.3, z + 0.3)), y), y, reduction="none")
    for point in vertices(z, 0.3):
        assert (cross_entropy(net(point), y, reduction="none") <= worst + 1e-12).all()


def test_gradients_are_those_of_the_formula():
    head, z, y = setting()
    radius = torch.rand_like(z)

    def slow(weight, bias, z, radius):
        margins = [
            [(weight[t] - w) @ c + bias[t] - b - (weight[t] - w).abs() @ r for w, b in zip(weight, bias, strict=True)]
            for t, c, r in zip(y, z, radius, strict=True)
        ]
        return torch.stack([torch.stack(row) for row in margins])

    def fast(weight, bias, z, radius):
        return margin_lower_bounds(nn.functional.linear(Interval.of_ball(z, radius), weight, bias), y)

    found = []
    for function in (fast, slow):
        leaves = [leaf.detach().clone().requires_grad_() for leaf in (head.weight, head.bias, z, radius)]
        loss = cross_entropy(-function(*leaves), y)
        found.append((loss, *torch.autograd.grad(loss, leaves)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


def test_a_later_change_in_place_does_not_reach_the_margins():
    head, z, y = setting()
    latent = Interval(z - 0.3, z + 0.3)
    expected = margin_lower_bounds(head(latent), y)
    logits = head(latent)
    latent.mul_(0.0)
    torch.testing.assert_close(margin_lower_bounds(logits, y), expected)
    logits.add_(torch.tensor([5.0, 0.0, 0.0]).double())
    assert logits.affine_of is None
    assert not torch.allclose(margin_lower_bounds(logits, y), expected)


def test_margins_that_are_not_known_certify_nothing():
    logits = Interval(torch.tensor([[torch.nan, 0.0]]), torch.tensor([[1.0, 0.0]]))
    assert not (margin_lower_bounds(logits, torch.tensor([0]))[:, 1] > 0).any()


def test_margins_of_logits_that_autocast_gave():
    torch.manual_seed(0)
    net, x, y = torch.nn.Linear(4, 3), torch.rand(6, 4), torch.arange(6) % 3
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = net(Interval(x - 0.1, x + 0.1))
    exact = margin_lower_bounds(net(Interval(x - 0.1, x + 0.1)), y)
    torch.testing.assert_close(margin_lower_bounds(logits, y), exact, rtol=0, atol=0.02)


@pytest.mark.parametrize("labels", [torch.tensor([0]), torch.tensor([0, 1]), torch.zeros(3, 1).long()])
def test_one_label_for_each_sample(labels):
    logits = nn.Linear(2, 3)(Interval(torch.zeros(3, 2), torch.ones(3, 2)))
    with pytest.raises(InputError, match=r"labels \[batch\]; found shapes \(3, 3\) and \("):
        margin_lower_bounds(logits, labels)
