"""Interval training: the literal loop's loss and gradients, and an upper bound that no attack passes."""

import copy

import pytest
import torch
from objective.boxed_nets import (
    BUDGET,
    EPS,
    NETS,
    Beside,
    Checkpointed,
    convolutional,
    dropping,
    made,
    normalised,
    residual,
)
from objective.literal_boxes import interval_loss, walk
from objective.literal_objective import assert_same, gradients
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import PGD, InnerProblem
from ratlp.bounds import Interval, IntervalBound, worst_logits
from ratlp.errors import InputError
from ratlp.losses import TRADES, AdversarialOnly, CustomLoss
from ratlp.objective import Schedule, SmoothRamp
from ratlp.perturbations import L2, LInf, Propagated

BOUNDED = {**BUDGET, "maximiser": IntervalBound()}


@pytest.fixture
def batch():
    return torch.rand(12, 1, 8, 8).double(), torch.randint(3, (12,))


def flat(tensors):
    return torch.cat([t.flatten() for t in tensors])


@pytest.mark.parametrize("layer", ["input", "3"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", NETS)
def test_the_step_is_the_literal_loop(make, training, layer, batch):
    x, y = batch
    model = made(make, training=training)
    state = torch.get_rng_state()
    loss = interval_loss(list(model), x, y, eps=EPS, weight=0.7)
    wanted = flat(gradients(loss, model.parameters()))
    torch.set_rng_state(state)
    out = RATLP(model, layer=layer, **BOUNDED)(x, y)
    out.loss.backward()
    found = flat([p.grad for p in model.parameters()])
    assert out.delta is None
    assert out.loss.item() == pytest.approx(loss.item(), rel=1e-10)
    assert (found - wanted).abs().max() <= 1e-9 * wanted.abs().max()


def test_a_ball_around_a_latent(batch):
    x, y = batch
    model = made(convolutional)
    out = RATLP(model, layer="3", eps=0.1, maximiser=IntervalBound())(x, y)
    out.loss.backward()
    z = model[:4](x)
    _, lower, upper = walk(model[4:], z, z - 0.1, z + 0.1)
    looser = cross_entropy(torch.where(torch.arange(3) == y[:, None], lower, upper), y)
    assert out.clean_loss < out.adversarial_loss <= looser
    rest = copy.deepcopy(model)
    bound = cross_entropy(worst_logits(rest[4:](Interval(rest[:4](x) - 0.1, rest[:4](x) + 0.1)), y), y)
    (cross_entropy(rest(x), y) + bound).backward()
    assert_same([p.grad for p in model.parameters()], [p.grad for p in rest.parameters()], relative=1e-9)


@pytest.mark.parametrize("layer", ["input", "2"])
@pytest.mark.parametrize("make", NETS)
def test_no_point_of_the_input_ball_has_a_larger_loss(make, layer, batch):
    x, y = batch
    model = made(make, training=False)
    bound = RATLP(model, layer=layer, **BOUNDED)(x, y).adversarial_loss
    ball = LInf(EPS, bounds=(0, 1))
    with torch.no_grad():
        for _ in range(500):  # each sample at a random point or corner of its ball
            corner = ball.linear_maximum(torch.randn_like(x), x)
            assert cross_entropy(model(x + ball.random(x)), y) <= bound
            assert cross_entropy(model(x + corner), y) <= bound
    problem = InnerProblem(lambda d: cross_entropy(model(x + d[0]), y, reduction="none"), [x], [ball])
    worst = problem.losses(PGD(steps=30, restarts=3)(problem)).mean()
    assert cross_entropy(model(x), y) < worst <= bound


def test_no_point_of_the_ball_does_in_training_with_the_clean_statistics(batch):
    x, y = batch
    model = made(normalised)
    bound = RATLP(copy.deepcopy(model), layer="input", **BOUNDED)(x, y).adversarial_loss
    frozen = copy.deepcopy(model).eval()
    z = x
    for module in frozen:  # the statistics of the clean batch as running ones
        if hasattr(module, "running_mean"):
            axes = [0, *range(2, z.dim())]
            module.running_mean, module.running_var = z.mean(axes).detach(), z.var(axes, correction=0).detach()
        z = module(z)
    ball = LInf(EPS, bounds=(0, 1))
    problem = InnerProblem(lambda d: cross_entropy(frozen(x + d[0]), y, reduction="none"), [x], [ball])
    assert problem.losses(PGD(steps=30, restarts=3)(problem)).mean() <= bound


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("make", NETS)
def test_a_budget_of_zero_gives_the_clean_loss(make, training, batch):
    model = made(make, training=training)
    out = RATLP(model, layer="input", perturbation=Propagated(0.0), maximiser=IntervalBound())(*batch)
    assert out.adversarial_loss.item() == pytest.approx(out.clean_loss.item(), rel=1e-10)
    out.loss.backward()
    assert all(p.grad.isfinite().all() for p in model.parameters())


def test_it_is_above_what_a_maximiser_finds(batch):
    model = made(convolutional)
    above = RATLP(model, layer="1", **BOUNDED)(*batch)
    below = RATLP(model, layer="1", maximiser=PGD(steps=20), **BUDGET)(*batch)
    assert below.clean_loss < below.adversarial_loss <= above.adversarial_loss


@pytest.mark.parametrize("layer", ["input", "2", "8"])
def test_statistics_move_as_in_one_clean_pass(layer, batch):
    model = made(normalised)
    twin = copy.deepcopy(model)
    RATLP(model, layer=layer, **BOUNDED)(*batch).loss.backward()
    twin(batch[0])
    for (name, found), (_, expected) in zip(model.named_buffers(), twin.named_buffers(), strict=True):
        assert torch.equal(found, expected), name


def test_the_random_state_moves_as_in_one_clean_pass(batch):
    model = made(dropping)
    state = torch.get_rng_state()
    model(batch[0])
    expected = torch.rand(3)
    torch.set_rng_state(state)
    RATLP(model, layer="input", **BOUNDED)(*batch)
    assert torch.equal(torch.rand(3), expected)


def test_norms_beside_the_intervals_have_their_turn(batch):
    """A norm between the layer and the next norm that normalises what no perturbation moves."""
    x, y = batch
    model = Beside().double()
    objective = RATLP(model, layer="layer", perturbation=LInf(0.0), maximiser=IntervalBound())
    out = objective({"x": x, "constant": torch.rand_like(x)}, y)
    assert out.adversarial_loss.item() == pytest.approx(out.clean_loss.item(), rel=1e-10)


def test_only_the_adversarial_loss(batch):
    model = made(residual, training=False)
    out = RATLP(model, layer="input", loss=AdversarialOnly(), **BOUNDED)(*batch)
    assert out.loss.item() == pytest.approx(0.7 * out.adversarial_loss.item(), rel=1e-12)
    assert out.clean_loss < out.adversarial_loss


def test_under_no_grad(batch):
    model = made(normalised, training=False)
    with torch.no_grad():
        out = RATLP(model, layer="input", **BOUNDED)(*batch)
    assert not out.loss.requires_grad
    assert out.adversarial_loss > out.clean_loss


def test_a_frozen_encoder(batch):
    model = made(convolutional)
    model[:3].requires_grad_(False)
    RATLP(model, layer="input", **BOUNDED)(*batch).loss.backward()
    loss = interval_loss(list(model), *batch, eps=EPS, weight=0.7)
    assert_same([p.grad for p in model[3:].parameters()], gradients(loss, model[3:].parameters()), relative=1e-9)
    assert all(p.grad is None for p in model[:3].parameters())


@pytest.mark.parametrize("set_", [L2(0.1), L2(0.1, bounds=(0, 1))], ids=repr)
def test_the_box_around_an_l2_ball(set_, batch):
    x, y = batch
    model = made(convolutional)
    bound = RATLP(model, layer="input", perturbation=set_, maximiser=IntervalBound())(x, y).adversarial_loss
    attacked = RATLP(model, layer="input", perturbation=set_, maximiser=PGD(steps=20))(x, y).adversarial_loss
    assert attacked <= bound


@pytest.mark.parametrize("loss", [TRADES(), CustomLoss(cross_entropy)], ids=["TRADES", "CustomLoss"])
def test_losses_that_margins_do_not_bound_are_refused(loss):
    with pytest.raises(InputError, match=r"IntervalBound\(\) bounds losses that fall as the margins rise.* found"):
        RATLP(made(convolutional), layer="input", loss=loss, **BOUNDED)


def test_several_layers_are_refused():
    with pytest.raises(InputError, match=r"IntervalBound\(\) takes one layer.*\['0', '3'\]: name the first"):
        RATLP(made(convolutional), layer=["0", "3"], **BOUNDED)


def test_token_ids_are_refused():
    model = nn.Sequential(nn.Embedding(10, 8), nn.Flatten(), nn.Linear(40, 3))
    objective = RATLP(model, layer="0", **BOUNDED)
    with pytest.raises(InputError, match=r"begins with a floating tensor; found torch\.int64, such as token ids"):
        objective(torch.randint(10, (4, 5)), torch.randint(3, (4,)))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch._dynamo's own
def test_compiled_blocks(training, batch):
    model = made(normalised, training=training)
    found = []
    for compiled in (False, True):
        twin = copy.deepcopy(model)
        if compiled:
            for module in twin[:9]:
                module.compile(backend="eager")
        RATLP(twin, layer="2", **BOUNDED)(*batch).loss.backward()
        found.append(flat([p.grad for p in twin.parameters()]))
    torch._dynamo.reset()
    assert_same(found[1:], found[:1], relative=1e-9)


@pytest.mark.parametrize("layer", ["input", "model.1"])
def test_activation_checkpointing(layer, batch):
    model = made(convolutional)
    found = []
    for on in (False, True):
        objective = RATLP(Checkpointed(copy.deepcopy(model), on=on), layer=layer, **BOUNDED)
        objective(*batch).loss.backward()
        found.append(flat([p.grad for p in objective.parameters()]))
    assert_same(found[1:], found[:1], relative=1e-10)


def test_autocast_is_near_float32(batch):
    x, y = batch[0].float(), batch[1]
    model = made(convolutional).float()
    found = []
    for enabled in (True, False):
        twin = copy.deepcopy(model)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            RATLP(twin, layer="input", **BOUNDED)(x, y).loss.backward()
        found.append(flat([p.grad for p in twin.parameters()]))
    assert (found[0] - found[1]).norm() <= 0.1 * found[1].norm()


def test_training_with_a_ramp_certifies():
    y = torch.arange(60) % 2
    x = 0.1 * torch.rand(60, 1, 8, 8) + 0.5 * y.view(-1, 1, 1, 1)
    model = made(convolutional).float()
    objective = RATLP(model, layer="input", **{**BOUNDED, "weight": 1.0})
    optimiser = torch.optim.Adam(model.parameters(), lr=0.003)
    schedule = Schedule(objective, eps=SmoothRamp(80))
    for _ in range(120):
        optimiser.zero_grad()
        objective(x, y).loss.backward()
        optimiser.step()
        schedule.step()
    with torch.no_grad():
        worst = worst_logits(model(Interval(x - EPS, x + EPS)), y)
    assert (worst.argmax(1) == y).float().mean() > 0.9
