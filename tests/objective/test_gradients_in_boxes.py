"""What gradients flow through where a point is moved in a box: the edges, the clean latent, layers before, padding."""

import copy

import pytest
import torch
from objective.boxed_nets import BUDGET, EPS, convolutional, made, normalised, residual
from objective.literal_boxes import cut, input_box, propagated_loss, walk
from objective.literal_objective import assert_same, gradients
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.losses import AdversarialOnly
from ratlp.perturbations import LInf, Propagated

CLIMB = PGD(steps=3, step_size=0.4, random_start=False, keep_best=False)


class Pooled(nn.Module):
    """Pools over all tokens, padding included."""

    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x, attention_mask):
        return self.head(self.layer(x).relu().mean(1))


@pytest.fixture
def batch():
    return torch.rand(12, 1, 8, 8).double(), torch.randint(3, (12,))


def test_the_gradient_flows_through_the_edges(batch):
    x, y = batch
    f, g = cut(made(convolutional), "3")
    attached = gradients(propagated_loss(f, g, x, y, eps=EPS, weight=0.7), f.parameters())
    z, lower, upper = walk(f, x, *input_box(x, EPS, (0.0, 1.0)))
    (gradient,) = torch.autograd.grad(cross_entropy(g(z), y), z, retain_graph=True)
    delta = torch.where(gradient > 0, upper - z, torch.where(gradient < 0, lower - z, 0)).detach()
    detached = gradients(cross_entropy(g(z), y) + 0.7 * cross_entropy(g(z + delta), y), f.parameters())
    assert any((a - d).abs().max() > 1e-3 * a.abs().max() for a, d in zip(attached, detached, strict=True))


@pytest.mark.parametrize(
    ("make", "training", "layer", "needed"),
    [
        (convolutional, True, "3", False),
        (normalised, False, "5", False),
        (normalised, True, "5", True),  # the box is normalised by the clean batch
    ],
)
def test_the_clean_latents_need_no_backward_pass_without_a_clean_term(make, training, layer, needed, batch):
    model = made(make, training=training)
    seen = []
    model[0].register_forward_hook(lambda module, args, output: seen.append(output))
    out = RATLP(model, layer=layer, loss=AdversarialOnly(), **BUDGET)(*batch)
    clean = next(output for output in seen[::-1] if type(output) is torch.Tensor)
    assert torch.autograd.grad(out.loss, out.latent, retain_graph=True, allow_unused=True) == (None,)
    (gradient,) = torch.autograd.grad(out.loss, clean, retain_graph=True, allow_unused=True)
    assert (gradient is not None) == needed
    assert all((gradient != 0).any() for gradient in torch.autograd.grad(out.loss, model[0].parameters()))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("make", "layer"), [(convolutional, "3"), (normalised, "5"), (residual, "1")])
def test_the_gradient_is_that_of_points_that_keep_their_place(make, layer, training, batch):
    x, y = batch
    model = made(make, training=training)
    objective = RATLP(copy.deepcopy(model), layer=layer, maximiser=CLIMB, loss=AdversarialOnly(), **BUDGET)
    out = objective(x, y)
    out.loss.backward()
    f, g = cut(model, layer)
    with torch.no_grad():
        z, lower, upper = walk(f, x, *input_box(x, EPS, (0.0, 1.0)))
        place = ((z + out.delta - lower) / (upper - lower)).nan_to_num(0)

        def loss():
            _, low, high = walk(f, x, *input_box(x, EPS, (0.0, 1.0)))
            return objective.weight * cross_entropy(copy.deepcopy(g)(low + place * (high - low)), y).item()

        for parameter, other in zip(model.parameters(), objective.model.parameters(), strict=True):
            value, at, step = parameter.view(-1), parameter.numel() // 2, 1e-6
            before = value[at].item()
            value[at] = before + step
            above = loss()
            value[at] = before - step
            slope = (above - loss()) / (2 * step)
            value[at] = before
            assert slope == pytest.approx(other.grad.view(-1)[at].item(), abs=1e-7)


@pytest.mark.parametrize("eps", [0.0, 0.02])
def test_a_narrow_box_after_another_layers_ball_takes_nothing_from_it(eps, batch):
    model = made(convolutional)
    climb = PGD(steps=3, random_start=False)
    both = RATLP(model, layer=["1", "3"], perturbation=[LInf(0.5), Propagated(eps)], maximiser=climb)(*batch)
    gradient = gradients(both.loss, model[:2].parameters())
    ball = RATLP(model, layer=["1", "3"], perturbation=[LInf(0.5), LInf(0.0)], maximiser=climb)(*batch)
    assert both.adversarial_loss >= ball.adversarial_loss - 1e-9
    if eps == 0:
        assert_same(gradient, gradients(ball.loss, model[:2].parameters()), relative=1e-9)


def test_padding_stays_where_it_is_with_its_gradient():
    torch.manual_seed(0)
    model = Pooled().double()
    inputs = {"x": torch.rand(6, 5, 4).double(), "attention_mask": torch.zeros(6, 5).long()}
    out = RATLP(model, layer="layer", perturbation=Propagated(0.3, bounds=(0, 1)))(inputs, torch.randint(3, (6,)))
    assert out.adversarial_loss.item() == out.clean_loss.item()
    clean, adversarial = (
        torch.autograd.grad(loss, list(model.layer.parameters()), retain_graph=True)
        for loss in (out.clean_loss, out.adversarial_loss)
    )
    assert_same(adversarial, clean, relative=1e-12)
