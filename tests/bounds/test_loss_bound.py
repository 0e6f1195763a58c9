import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.bounds import IntervalBound, LossBound
from ratlp.errors import BoundError


def edges(*shape):
    return tuple(torch.randn(2, *shape).double().sort(0).values)


def test_of_a_linear_head_it_is_the_worst_logit_difference_of_each_class():
    head, (lower, upper), y = nn.Linear(4, 3).double(), edges(5, 4), torch.tensor([0, 1, 2, 0, 1])
    found = IntervalBound()(head, (lower, upper), y)
    vertices = [
        head(torch.where(torch.tensor(choice), upper, lower)) for choice in itertools.product((False, True), repeat=4)
    ]
    differences = torch.stack([v - v.gather(1, y[:, None]) for v in vertices])
    assert torch.allclose(found, differences.amax(0), rtol=0, atol=1e-12)


def test_its_cross_entropy_is_above_that_of_every_point():
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)).double()
    (lower, upper), y = edges(20, 4), torch.randint(3, (20,))
    bound = cross_entropy(IntervalBound()(net, (lower, upper), y), y, reduction="none")
    for _ in range(2000):
        point = torch.lerp(lower, upper, torch.rand(20, 4).double().round() if _ % 2 else torch.rand(20, 4).double())
        assert (cross_entropy(net(point), y, reduction="none") <= bound + 1e-12).all()


def test_of_one_point_it_is_the_loss():
    net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3), nn.Tanh()).double()
    z, y = torch.randn(6, 4).double(), torch.randint(3, (6,))
    assert torch.allclose(cross_entropy(IntervalBound()(net, (z, z), y), y), cross_entropy(net(z), y), atol=1e-12)


def test_gradients_flow_into_the_edges():
    (lower, upper), y = edges(5, 4), torch.randint(3, (5,))
    lower.requires_grad_()
    upper.requires_grad_()
    cross_entropy(IntervalBound()(nn.Linear(4, 3).double(), (lower, upper), y), y).backward()
    assert lower.grad.abs().sum() > 0
    assert upper.grad.abs().sum() > 0


def test_logits_that_do_not_depend_on_the_layer():
    with pytest.raises(BoundError, match="the logits must depend on the layer"):
        IntervalBound()(lambda z: torch.zeros(5, 3), edges(5, 4), torch.zeros(5, dtype=torch.int64))


@pytest.mark.parametrize(
    ("net", "y"),
    [
        (nn.Identity(), torch.zeros(5, 4)),
        (nn.Identity(), torch.zeros(5, 2, dtype=torch.int64)),
        (nn.Unflatten(1, (2, 2)), torch.zeros(5, dtype=torch.int64)),
    ],
)
def test_targets_or_logits_of_another_shape(net, y):
    with pytest.raises(BoundError, match=r"bounds need logits \[batch, classes\] and class indices \[batch\]; found"):
        IntervalBound()(net, edges(5, 4), y)


def test_a_bound_of_ones_own():
    class Lipschitz(LossBound):
        def __call__(self, rest, edges, y):
            lower, upper = edges
            radius = ((upper - lower) / 2).amax(1, keepdim=True)
            logits = rest((lower + upper) / 2)
            return logits + 100 * radius * (torch.arange(logits.shape[1]) != y[:, None])

    from ratlp import RATLP

    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    out = RATLP(model, layer="1", eps=0.1, maximiser=Lipschitz())(torch.randn(6, 4), torch.randint(3, (6,)))
    out.loss.backward()
    assert out.adversarial_loss > out.clean_loss


def test_repr():
    assert repr(IntervalBound()) == "IntervalBound()"
