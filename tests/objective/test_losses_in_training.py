"""Each known recipe against a plain version of it."""

import copy

import pytest
import torch
from objective.literal_objective import assert_same, gradients
from torch import nn
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from ratlp import RATLP
from ratlp.attacks import FGSM, PGD
from ratlp.errors import InputError
from ratlp.losses import TRADES, AdversarialOnly, CustomLoss
from ratlp.perturbations import L2, LInf


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).double()


@pytest.fixture
def batch():
    return torch.rand(20, 6).double(), torch.randint(3, (20,))


def check(objective, model, batch, expected_of, weight=1.0):
    """Compare one step with `expected_of(delta)`, the plain loss at the perturbation that was found."""
    x, y = batch
    twin = copy.deepcopy(model)
    out = objective(x, y)
    out.loss.backward()
    expected = expected_of(twin, out.delta)
    assert out.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    found = [p.grad for p in model.parameters()]
    assert_same(found, gradients(expected, twin.parameters()), relative=1e-10)
    return out


def test_input_fgsm_adversarial_training(model, batch):
    x, y = batch
    objective = RATLP(model, layer="input", perturbation=LInf(0.1, bounds=(0, 1)), loss=AdversarialOnly())
    out = check(objective, model, batch, lambda net, delta: cross_entropy(net(x + delta), y))
    leaf = x.clone().requires_grad_()
    cross_entropy(model(leaf), y).backward()
    assert torch.allclose(x + out.delta, (x + 0.1 * leaf.grad.sign()).clamp(0, 1), atol=1e-12)


def test_input_pgd_adversarial_training(model, batch):
    x, y = batch
    objective = RATLP(
        model,
        layer="input",
        perturbation=LInf(0.1, bounds=(0, 1)),
        maximiser=PGD(steps=7, keep_best=False),
        loss=AdversarialOnly(),
    )
    out = check(objective, model, batch, lambda net, delta: cross_entropy(net(x + delta), y))
    assert ((x + out.delta >= 0) & (x + out.delta <= 1)).all()
    assert out.adversarial_loss > out.clean_loss


@pytest.mark.parametrize("layer", ["input", "1"])
def test_trades(model, batch, layer):
    x, y = batch
    objective = RATLP(model, layer=layer, eps=0.1, weight=6.0, maximiser=PGD(steps=4), loss=TRADES())

    def expected(net, delta):
        f, g = (net[:2], net[2:]) if layer == "1" else (net[:0], net)
        clean, moved = g(f(x)), g(f(x) + delta)
        divergence = kl_div(log_softmax(moved, 1), clean.softmax(1), reduction="batchmean")
        return cross_entropy(clean, y) + 6.0 * divergence

    out = check(objective, model, batch, expected)
    assert out.adversarial_loss > 0


def test_trades_with_a_step_from_zero_finds_no_gradient(model, batch):
    out = RATLP(model, layer="1", eps=0.1, loss=TRADES(), maximiser=FGSM())(*batch)
    assert out.delta.abs().max() <= 0.1


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_adversarial_loss_alone_in_a_hidden_layer(model, batch, weight):
    x, y = batch
    objective = RATLP(model, layer="1", eps=0.1, weight=weight, loss=AdversarialOnly())
    check(objective, model, batch, lambda net, d: weight * cross_entropy(net[2:](net[:2](x) + d), y))


@pytest.mark.parametrize("per_sample", [True, False])
def test_a_loss_of_the_users_own(model, batch, per_sample):
    x, y = batch

    def margin(logits, target):
        own = logits.gather(1, target[:, None])
        losses = torch.relu(1 + logits - own).sum(1)
        return losses if per_sample else losses.mean()

    def expected(net, delta):
        z = net[:2](x)
        return margin(net[2:](z), y).mean() + margin(net[2:](z + delta), y).mean()

    out = check(RATLP(model, layer="1", eps=0.1, loss=margin), model, batch, expected)
    z = model[:2](x).detach().requires_grad_()
    margin(model[2:](z), y).sum().backward()
    assert torch.equal(out.delta, 0.1 * z.grad.sign())


def test_another_loss_for_the_inner_problem(model, batch):
    x, y = batch

    def towards_class_0(logits, target):
        return log_softmax(logits, 1)[:, 0]

    loss = CustomLoss(lambda logits, target: cross_entropy(logits, target), inner=towards_class_0)
    out = RATLP(model, layer="1", perturbation=L2(0.3), loss=loss)(x, y)
    z = model[:2](x).detach().requires_grad_()
    towards_class_0(model[2:](z), y).sum().backward()
    expected = 0.3 * z.grad / z.grad.norm(dim=1, keepdim=True)
    assert torch.allclose(out.delta, expected)


def test_frozen_everything_before_the_layer_with_trades(model, batch):
    model[:2].requires_grad_(False)
    RATLP(model, layer="1", eps=0.1, loss=TRADES(), maximiser=PGD(steps=2))(*batch).loss.backward()
    assert model[0].weight.grad is None
    assert model[2].weight.grad is not None


def test_token_ids_cannot_be_perturbed(batch):
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 3))
    with pytest.raises(InputError.__mro__[1], match=r"found torch.int64, such as token ids.*'0'"):
        RATLP(model, layer="input", eps=0.1)(torch.randint(10, (20, 3)), batch[1])
