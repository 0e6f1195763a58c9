"""Propagated budgets: the literal loop's loss and gradients, BatchNorm, dropout, several layers, odd models."""

import copy

import pytest
import torch
from objective.boxed_nets import BUDGET, EPS, NETS, Beside, convolutional, dropping, made, normalised, residual
from objective.literal_boxes import cut, in_place, input_box, propagated_loss, walk
from objective.literal_objective import assert_same, gradients
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.errors import BoundError
from ratlp.objective.adversarial_pass import AdversarialPass
from ratlp.perturbations import LInf, Propagated

CLIMB = PGD(steps=3, step_size=0.4, random_start=False, keep_best=False)


@pytest.fixture
def batch():
    return torch.rand(12, 1, 8, 8).double(), torch.randint(3, (12,))


def assert_step_is(expected, model, objective, x, y):
    """The objective's loss and gradients are those of `expected`, a function without arguments, from the same draws."""
    state = torch.get_rng_state()
    loss = expected()
    wanted = gradients(loss, model.parameters())
    torch.set_rng_state(state)
    out = objective(x, y)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-10)
    assert_same([p.grad for p in model.parameters() if p.requires_grad], wanted, relative=1e-9)
    return out


@pytest.mark.parametrize("layer", ["input", "0", "2", "4", "last"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", NETS)
def test_the_sign_step_is_the_literal_loop(make, training, layer, batch):
    x, y = batch
    model = made(make, training=training)
    layer = str(len(model) - 2) if layer == "last" else layer
    f, g = cut(copy.deepcopy(model), layer)
    parameters = [*f.parameters(), *g.parameters()]
    state = torch.get_rng_state()
    loss = propagated_loss(f, g, x, y, eps=EPS, weight=0.7)
    wanted = gradients(loss, parameters)
    torch.set_rng_state(state)
    out = RATLP(model, layer=layer, **BUDGET)(x, y)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-10)
    flat, expected = (torch.cat([p.flatten() for p in ps]) for ps in ([p.grad for p in model.parameters()], wanted))
    assert (flat - expected).abs().max() <= 1e-9 * expected.abs().max()


@pytest.mark.parametrize("layer", ["input", "1", "3"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", [convolutional, normalised, residual])
def test_pgd_is_the_literal_loop(make, training, layer, batch):
    x, y = batch
    model = made(make, training=training)
    f, g = cut(copy.deepcopy(model), layer)
    loss = propagated_loss(f, g, x, y, eps=EPS, weight=0.7, steps=3, step_size=0.4)
    wanted = gradients(loss, [*f.parameters(), *g.parameters()])
    out = RATLP(model, layer=layer, maximiser=CLIMB, **BUDGET)(x, y)
    out.loss.backward()
    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-10)
    flat, expected = (torch.cat([p.flatten() for p in ps]) for ps in ([p.grad for p in model.parameters()], wanted))
    assert (flat - expected).abs().max() <= 1e-9 * expected.abs().max()


def test_a_frozen_encoder(batch):
    x, y = batch
    model = made(convolutional)
    f, g = cut(model, "3")
    f.requires_grad_(False)
    objective = RATLP(model, layer="3", **BUDGET)
    assert_step_is(lambda: propagated_loss(f, g, x, y, eps=EPS, weight=0.7), model, objective, x, y)
    assert all(p.grad is None for p in f.parameters())


def test_a_frozen_norm_in_a_model_that_trains(batch):
    x, y = batch
    model = made(normalised)
    model[1].eval()
    f, g = cut(model, "5")
    objective = RATLP(model, layer="5", **BUDGET)
    before = model[1].running_mean.clone()
    out = objective(x, y)
    out.loss.backward()
    wanted = gradients(propagated_loss(f, g, x, y, eps=EPS, weight=0.7), model.parameters())
    flat, expected = (torch.cat([p.flatten() for p in ps]) for ps in ([p.grad for p in model.parameters()], wanted))
    assert (flat - expected).abs().max() <= 1e-9 * expected.abs().max()
    assert torch.equal(model[1].running_mean, before)


@pytest.mark.parametrize("frozen", [True, False])
def test_a_norm_in_training_in_a_model_in_evaluation(batch, frozen):
    model = made(normalised).eval()
    if frozen:
        model[1].train()
    else:  # normalises by the batch in evaluation too
        model[1].track_running_stats, model[1].running_mean, model[1].running_var = False, None, None
    out = RATLP(model, layer="2", **BUDGET)(*batch)
    assert out.adversarial_loss > out.clean_loss


def test_several_layers_share_one_gradient_and_stay_in_their_boxes(batch):
    x, y = batch
    model = made(convolutional)
    f, middle, g = model[:2], model[2:4], model[4:]
    objective = RATLP(model, layer=["1", "3"], **BUDGET)

    def expected():
        z, lower, upper = walk(f, x, *input_box(x, EPS, (0.0, 1.0)))
        h, *edges = walk(middle, z, lower, upper)
        clean = cross_entropy(g(h), y)
        at_z, at_h = torch.autograd.grad(clean, [z, h], retain_graph=True)
        moved = middle(torch.where(at_z > 0, upper, torch.where(at_z < 0, lower, z)))
        delta = torch.where(at_h > 0, edges[1] - h, torch.where(at_h < 0, edges[0] - h, 0))
        at = torch.maximum(torch.minimum(moved + delta, edges[1]), edges[0]).detach()
        moved = in_place(at, *edges)
        assert ((moved >= edges[0] - 1e-12) & (moved <= edges[1] + 1e-12)).all()
        return clean + 0.7 * cross_entropy(g(moved), y)

    assert_step_is(expected, model, objective, x, y)


@pytest.mark.parametrize("make", NETS)
def test_several_layers_with_budgets_of_their_own(make, batch):
    model = made(make)
    budgets = [Propagated(0.02), LInf(0.1), Propagated(0.05)]
    last = str(len(model) - 2)
    out = RATLP(model, layer=["input", last, "1"], perturbation=budgets, maximiser=PGD(steps=3))(*batch)
    out.loss.backward()
    assert out.adversarial_loss > out.clean_loss
    assert out.delta[0].abs().max() <= 0.02 + 1e-12
    assert out.delta[1].abs().max() <= 0.1 + 1e-12


@pytest.mark.parametrize("maximiser", [None, PGD(steps=4), PGD(steps=2, step_size=3.0, random_start=False)])
@pytest.mark.parametrize("layer", ["1", "3", "5"])
@pytest.mark.parametrize("make", NETS)
def test_the_box_holds_the_latent_and_the_perturbed_latent(make, layer, maximiser, batch):
    x, y = batch
    model = made(make)
    twin = copy.deepcopy(model)
    state = torch.get_rng_state()
    _, lower, upper = walk(cut(twin, layer)[0], x, *input_box(x, EPS, (0.0, 1.0)))
    torch.set_rng_state(state)
    out = RATLP(model, layer=layer, maximiser=maximiser, **BUDGET)(x, y)
    for point in (out.latent, out.latent + out.delta):
        assert ((point >= lower - 1e-9) & (point <= upper + 1e-9)).all()
    assert (out.delta != 0).any()


def test_under_no_grad(batch):
    x, y = batch
    model = made(normalised, training=False)
    with torch.no_grad():
        out = RATLP(model, layer="2", **BUDGET)(x, y)
    f, g = cut(model, "2")
    assert not out.loss.requires_grad
    assert out.loss.item() == pytest.approx(propagated_loss(f, g, x, y, eps=EPS, weight=0.7).item(), rel=1e-10)


@pytest.mark.parametrize("maximiser", [None, PGD(steps=2)])
@pytest.mark.parametrize("make", [normalised, residual])
def test_a_budget_of_zero_perturbs_nothing(make, maximiser, batch):
    model = made(make, training=False)
    out = RATLP(model, layer="3", perturbation=Propagated(0.0), maximiser=maximiser)(*batch)
    out.loss.backward()
    assert out.adversarial_loss.item() == pytest.approx(out.clean_loss.item(), rel=1e-12)
    assert out.delta.abs().max() <= 1e-12
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("layer", ["input", "2", "8"])
@pytest.mark.parametrize("maximiser", [None, PGD(steps=3)])
def test_statistics_move_as_in_one_clean_pass(layer, maximiser, momentum, batch):
    model = made(normalised)
    for module in model.modules():
        if hasattr(module, "momentum"):
            module.momentum = momentum
    twin = copy.deepcopy(model)
    RATLP(model, layer=layer, maximiser=maximiser, **BUDGET)(*batch).loss.backward()
    twin(batch[0])
    for (name, found), (_, expected) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        assert torch.equal(found, expected), name


def test_the_random_state_moves_as_in_the_clean_and_the_adversarial_pass(batch):
    model = made(dropping)
    f, g = cut(model, "3")
    state = torch.get_rng_state()
    g(g(f(batch[0])) @ torch.zeros(3, 20).double())
    expected = torch.rand(3)
    torch.set_rng_state(state)
    RATLP(model, layer="3", **BUDGET)(*batch)
    assert torch.equal(torch.rand(3), expected)


def test_grad_is_not_touched_before_backward(batch):
    model = made(convolutional)
    objective = RATLP(model, layer="3", maximiser=PGD(steps=2), **BUDGET)
    out = objective(*batch)
    assert all(p.grad is None for p in model.parameters())
    assert not out.delta.requires_grad
    out.loss.backward()
    before = [p.grad.clone() for p in model.parameters()]
    objective(*batch)
    assert all(torch.equal(p.grad, b) for p, b in zip(model.parameters(), before, strict=True))


def test_everything_is_restored_when_the_bounds_fail(batch):
    class Sine(nn.Module):
        def forward(self, x):
            return torch.bucketize(x, torch.linspace(-1, 1, 5).double()).double() + x

    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout(), Sine(), nn.Flatten(), nn.Linear(72, 3))
    model.double()
    twin = copy.deepcopy(model)
    before = [set(vars(module)) for module in model.modules()]
    with pytest.raises(BoundError, match="bucketize"):
        RATLP(model, layer="3", **BUDGET)(*batch)
    assert [set(vars(module)) for module in model.modules()] == before
    twin(batch[0])
    assert all(torch.equal(b, t) for b, t in zip(model.buffers(), twin.buffers(), strict=True))
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("layer", ["layer", "shared#2"])
def test_norms_beside_the_intervals_have_their_turn(layer, batch):
    x, y = batch
    model = Beside().double()
    inputs = {"x": x, "constant": torch.rand_like(x)}
    objective = RATLP(model, layer=layer, **BUDGET)
    out = objective(inputs, y)
    out.loss.backward()
    z, lower, upper = walk([nn.Flatten(), model.layer], x, *input_box(x, EPS, (0.0, 1.0)))
    if layer != "layer":
        z, lower, upper = walk([model.shared, nn.ReLU(), model.shared], z, lower, upper)
    assert torch.allclose(out.latent, z, rtol=0, atol=1e-10)
    moved = out.latent + out.delta
    assert ((moved >= lower - 1e-9) & (moved <= upper + 1e-9)).all()
    perturbed = out.delta.abs() > 1e-9
    assert perturbed.any()
    edges = torch.where(out.delta > 0, upper, lower)
    assert torch.allclose(moved[perturbed], edges[perturbed], rtol=0, atol=1e-9)


def test_same_dropout_is_left_to_the_policy(batch):
    model = made(dropping)
    same = AdversarialPass(same_dropout=True)
    out = RATLP(model, layer="1", perturbation=Propagated(0.0), adversarial_pass=same)(*batch)
    assert out.adversarial_loss.item() == pytest.approx(out.clean_loss.item(), rel=1e-12)


def test_training_makes_the_box_smaller_beside_the_latent():
    y = torch.arange(60) % 3
    x = (0.1 * torch.rand(60, 1, 8, 8) + 0.3 * y.view(-1, 1, 1, 1)).clamp(0, 1)

    def relative_width(weight):
        torch.manual_seed(0)
        model = made(convolutional).float()
        objective = RATLP(model, layer="3", perturbation=Propagated(EPS, bounds=(0, 1)), weight=weight)
        optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
        for _ in range(60):
            optimiser.zero_grad()
            objective(x, y).loss.backward()
            optimiser.step()
        with torch.no_grad():
            z, lower, upper = walk(model[:4], x, *input_box(x, EPS, (0.0, 1.0)))
            assert (model(x).argmax(1) == y).float().mean() > 0.9
        return float((upper - lower).mean() / z.std())

    assert relative_width(1.0) < 0.5 * relative_width(0.0)
