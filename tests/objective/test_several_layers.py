"""Several layers at once: one shared gradient, or a climb together."""

import pytest
import torch
from objective.literal_objective import assert_same, gradients
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.errors import InputError, LayerError
from ratlp.perturbations import L2, LInf


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 5), nn.Linear(5, 4), nn.Linear(4, 3)
        self.act = nn.ReLU(inplace=True)

    def forward(self, x, d_a=0.0, d_b=0.0):
        h_a = self.a(x) + d_a
        h_b = self.b(self.act(h_a)) + d_b
        return self.c(self.act(h_b))


@pytest.fixture
def batch():
    return torch.randn(20, 6).double(), torch.randint(3, (20,))


def literal(model, x, y, eps_a, eps_b, weight):
    zeros = [torch.zeros(20, n).double().requires_grad_() for n in (5, 4)]
    clean = cross_entropy(model(x, *zeros), y)
    g_a, g_b = torch.autograd.grad(clean, zeros, retain_graph=True)
    moved = model(x, eps_a * g_a.sign(), eps_b * g_b.sign())
    return clean + weight * cross_entropy(moved, y)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_one_shared_gradient(batch, order):
    x, y = batch
    model = Net().double()
    eps = {"a": 0.1, "b": 0.3}
    objective = RATLP(model, layer=order, perturbation=[LInf(eps[name]) for name in order], weight=0.7)
    out = objective(x, y)
    out.loss.backward()
    expected = literal(model, x, y, 0.1, 0.3, 0.7)
    assert out.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert_same([p.grad for p in model.parameters()], gradients(expected, model.parameters()), relative=1e-10)
    assert [tuple(delta.shape) for delta in out.delta] == [(20, {"a": 5, "b": 4}[n]) for n in order]


def test_a_layer_around_another(batch):
    x, y = batch
    model = nn.Sequential(nn.Sequential(nn.Linear(6, 5), nn.ReLU()), nn.Linear(5, 3)).double()
    out = RATLP(model, layer=["0", "0.0"], eps=0.1)(x, y)
    moved = model[1](torch.relu(model[0][0](x) + out.delta[1]) + out.delta[0])
    assert out.adversarial_loss.item() == pytest.approx(cross_entropy(moved, y).item(), rel=1e-12)


def test_climbing_together_reaches_a_higher_loss_than_the_shared_step(batch):
    x, y = batch
    model = Net().double()
    step = RATLP(model, layer=["a", "b"], perturbation=L2(0.5))(x, y)
    climb = RATLP(model, layer=["a", "b"], perturbation=L2(0.5), maximiser=PGD(steps=20))(x, y)
    assert climb.adversarial_loss > step.adversarial_loss
    for delta in climb.delta:
        assert (delta.flatten(1).norm(dim=1) <= 0.5 + 1e-12).all()


def test_sets_and_layers_differ_in_number():
    with pytest.raises(InputError, match="found 1 for 2 layers"):
        RATLP(Net(), layer=["a", "b"], perturbation=[LInf(0.1)])


@pytest.mark.parametrize("layers", [[], ["a", "a"]])
def test_no_layer_or_the_same_twice(layers):
    with pytest.raises(LayerError, match="one or more different ones"):
        RATLP(Net(), layer=layers, eps=0.1)


def test_a_further_layer_that_is_never_called(batch):
    model = Net().double()
    model.spare = nn.Linear(2, 2)
    with pytest.raises(LayerError, match="'spare' was not"):
        RATLP(model, layer=["a", "spare"], eps=0.1)(*batch)
