import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, PGD, InnerProblem
from ratlp.errors import InputError
from ratlp.perturbations import L2, LInf


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3)).double()


@pytest.fixture
def batch():
    return torch.randn(30, 4).double(), torch.randint(3, (30,))


def losses(net, x, y):
    return cross_entropy(net(x), y, reduction="none").detach()


def problem_of(net, x, y, perturbation):
    return InnerProblem(lambda deltas: cross_entropy(net(x + deltas[0]), y, reduction="none"), [x], [perturbation])


def naive(net, x, y, eps, steps, step_size):
    """L-inf PGD from zero, as in a tutorial."""
    delta = torch.zeros_like(x)
    for _ in range(steps):
        delta.requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(net(x + delta), y), delta)
        delta = (delta + step_size * gradient.sign()).clamp(-eps, eps).detach()
    return delta


@pytest.mark.parametrize("steps", [1, 4])
def test_equals_the_tutorial(net, batch, steps):
    x, y = batch
    attack = PGD(steps=steps, step_size=0.4, random_start=False, keep_best=False)
    (delta,) = attack(problem_of(net, x, y, LInf(0.5)))
    assert torch.allclose(delta, naive(net, x, y, 0.5, steps, 0.2), atol=1e-12)


def test_one_full_step_is_fgsm(net, batch):
    problem = problem_of(net, *batch, LInf(0.5))
    attack = PGD(steps=1, step_size=1.0, random_start=False, keep_best=False)
    assert torch.equal(attack(problem)[0], FGSM()(problem)[0])


@pytest.mark.parametrize("perturbation", [LInf(0.5), L2(0.5), LInf(0.5, bounds=(-1, 1))])
def test_stays_in_the_set(net, batch, perturbation):
    x, y = batch
    x = x.clamp(-1, 1)
    (delta,) = PGD(steps=7, restarts=2)(problem_of(net, x, y, perturbation))
    assert torch.allclose(perturbation.project(delta, x), delta, atol=1e-12)


def test_the_best_iterate_is_at_least_as_good_per_sample_as_any_seen(net, batch):
    x, y = batch
    seen = []

    def recorded(deltas):
        found = cross_entropy(net(x + deltas[0]), y, reduction="none")
        seen.append(found.detach())
        return found

    attack = PGD(steps=5, step_size=1.7, restarts=3)
    (delta,) = attack(InnerProblem(recorded, [x], [LInf(0.5)]))
    assert len(seen) == 3 * (5 + 1)
    assert torch.allclose(losses(net, x + delta, y), torch.stack(seen).amax(0))


def test_masked_coordinates_never_move(net, batch):
    x, y = batch
    mask = torch.tensor([True, False, True, True])
    problem = InnerProblem(
        lambda deltas: cross_entropy(net(x + deltas[0]), y, reduction="none"),
        [x],
        [LInf(0.5)],
        masks=[mask],
    )
    (delta,) = PGD(steps=3)(problem)
    assert (delta[:, 1] == 0).all()
    assert (delta[:, 0] != 0).any()


def test_a_scalar_loss_keeps_the_best_batch(net, batch):
    x, y = batch
    problem = InnerProblem(lambda deltas: cross_entropy(net(x + deltas[0]), y), [x], [LInf(0.5)])
    (delta,) = PGD(steps=5)(problem)
    assert cross_entropy(net(x + delta), y) > cross_entropy(net(x), y)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps and restarts must be >= 1; found 0"),
        ({"steps": 1, "restarts": 0}, "found 1 and 0"),
        ({"steps": 1, "step_size": 0.0}, "step_size must be finite and > 0"),
        ({"steps": 1, "step_size": math.nan}, "step_size must be finite and > 0"),
        ({"steps": 1, "restarts": 2, "random_start": False}, "restarts > 1 need random_start=True"),
        ({"steps": 1, "restarts": 2, "keep_best": False}, "restarts > 1 need"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        PGD(**options)


def test_repr():
    assert repr(PGD(steps=5, restarts=2)) == "PGD(steps=5, step_size=0.5, restarts=2)"
    assert repr(PGD(steps=5, random_start=False, keep_best=False)) == (
        "PGD(steps=5, step_size=0.5, random_start=False, keep_best=False)"
    )
