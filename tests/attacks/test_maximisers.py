"""What holds for every maximiser, in every set and type."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import APGD, FGSM, PGD, InnerProblem, Noise, Square
from ratlp.perturbations import L2, LInf, rms_per_sample
from ratlp.perturbations.box import Box

MAXIMISERS = [
    FGSM(),
    PGD(steps=5, restarts=2),
    APGD(steps=7, restarts=2),
    Square(queries=9, restarts=2),
    Noise(draws=3),
]
SETS = [LInf(0.5), L2(0.5), LInf(0.5, bounds=(-1, 1)), L2(0.5, bounds=(-1, 1)), L2(0.3, relative_to=rms_per_sample)]
every = pytest.mark.parametrize("maximiser", MAXIMISERS, ids=repr)


def problem_of(net, x, y, perturbation, **options):
    def losses_at(deltas):
        return cross_entropy(net(x + deltas[0]), y, reduction="none")

    return InnerProblem(losses_at, [x], [perturbation], **options)


@pytest.fixture
def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 3))


def batch(*shape, dtype=torch.float64):
    return torch.rand(*shape, dtype=dtype) * 2 - 1, torch.randint(3, shape[:1])


def length(perturbation, delta):
    return delta.flatten(1).norm(dim=1) if isinstance(perturbation, L2) else delta.flatten(1).abs().amax(1)


@every
@pytest.mark.parametrize("perturbation", SETS, ids=repr)
@pytest.mark.parametrize("shape", [(7, 12), (7, 3, 4), (7, 3, 2, 2), (1, 12)])
def test_stays_in_the_set_and_moves(maximiser, perturbation, shape, net):
    x, y = batch(*shape)
    (delta,) = maximiser(problem_of(net.double(), x, y, perturbation))
    assert delta.shape == x.shape
    assert not delta.requires_grad
    assert torch.allclose(perturbation.project(delta, x), delta, atol=1e-12)
    assert (length(perturbation, delta) > 0).all()


@every
def test_a_box_of_each_samples_own(maximiser, net):
    x, y = batch(7, 12)
    lower, upper = x - torch.rand(7, 12), x + torch.rand(7, 12)
    (delta,) = maximiser(problem_of(net.double(), x, y, Box(lower, upper)))
    assert ((x + delta >= lower - 1e-12) & (x + delta <= upper + 1e-12)).all()
    if isinstance(maximiser, Square):
        assert torch.isclose(torch.minimum(upper - x - delta, x + delta - lower), torch.zeros(()).double()).all()


@every
@pytest.mark.parametrize("perturbation", [LInf(0.5), L2(0.5)], ids=repr)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_keeps_the_type_and_finds_something_worse(maximiser, perturbation, dtype, net):
    x, y = batch(40, 12, dtype=dtype)
    problem = problem_of(net.to(dtype), x, y, perturbation)
    (delta,) = maximiser(problem)
    assert delta.dtype is dtype
    assert (length(perturbation, delta.double()) <= 0.5 * (1 + 4 * torch.finfo(dtype).eps)).all()
    assert problem.losses((delta,)).mean() > problem.losses(problem.zeros()).mean()


@every
@pytest.mark.parametrize("perturbation", [LInf(0.5), L2(0.5)], ids=repr)
def test_a_flat_loss_does_no_harm(maximiser, perturbation):
    x = torch.randn(5, 12)
    (delta,) = maximiser(InnerProblem(lambda deltas: 0 * deltas[0].sum(1), [x], [perturbation]))
    assert torch.isfinite(delta).all()
    assert (length(perturbation, delta) <= 0.5 + 1e-6).all()


@every
@pytest.mark.parametrize("perturbation", [LInf(0.0), L2(0.0)], ids=repr)
def test_no_radius_no_perturbation(maximiser, perturbation, net):
    x, y = batch(5, 12)
    assert not maximiser(problem_of(net.double(), x, y, perturbation))[0].any()


@every
def test_a_loss_that_is_not_a_number_is_never_the_best(maximiser):
    x = torch.randn(5, 12)
    (delta,) = maximiser(InnerProblem(lambda deltas: deltas[0].sum(1) * float("nan"), [x], [LInf(0.5)]))
    if not isinstance(maximiser, FGSM):
        assert not delta.any()


@every
def test_masked_coordinates_never_move(maximiser, net):
    x, y = batch(7, 3, 4)
    mask = torch.tensor([True, False, True])[:, None]
    for perturbation in (LInf(0.5), L2(0.5)):
        (delta,) = maximiser(problem_of(net.double(), x, y, perturbation, masks=[mask]))
        assert (delta[:, 1] == 0).all()
        assert delta[:, 0].any()


@every
def test_several_points_climb_together(maximiser):
    x, z = torch.randn(6, 4), torch.randn(6, 2, 3)
    problem = InnerProblem(
        lambda d: (x + d[0]).square().sum(1) + (z + d[1]).abs().sum((1, 2)), [x, z], [LInf(1), L2(1)]
    )
    deltas = maximiser(problem)
    assert [delta.shape for delta in deltas] == [x.shape, z.shape]
    assert (problem.losses(deltas) > problem.losses(problem.zeros())).all()


@every
def test_a_scalar_loss_is_that_of_the_batch(maximiser, net):
    x, y = batch(20, 12)
    problem = InnerProblem(lambda d: cross_entropy(net.double()(x + d[0]), y), [x], [LInf(0.5)])
    assert problem.losses(maximiser(problem)) > problem.losses(problem.zeros())


class StartedLInf(LInf):
    def random(self, point):
        return self.project(self.eps * torch.sin(37 * point), point)


class StartedL2(L2):
    def random(self, point):
        return self.project(self.eps * torch.sin(37 * point), point)


@pytest.mark.parametrize("maximiser", [PGD(steps=15), APGD(steps=30)], ids=repr)
@pytest.mark.parametrize("perturbation", [StartedLInf(0.5), StartedL2(0.9)], ids=repr)
def test_a_samples_result_does_not_depend_on_the_batch(maximiser, perturbation, net):
    x, y = batch(9, 12)
    (together,) = maximiser(problem_of(net.double(), x, y, perturbation))
    alone = [maximiser(problem_of(net, x[i : i + 1], y[i : i + 1], perturbation))[0] for i in range(9)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-9)


@pytest.mark.parametrize("maximiser", [PGD(steps=40, step_size=0.1), APGD(steps=40)], ids=repr)
def test_l2_reaches_the_maximum_of_a_linear_loss(maximiser):
    weight, x = torch.randn(12).double(), torch.randn(9, 12).double()
    (delta,) = maximiser(InnerProblem(lambda d: (x + d[0]) @ weight, [x], [L2(0.7)]))
    assert (delta @ weight > 0.99 * 0.7 * weight.norm()).all()
    assert (length(L2(0.7), delta) <= 0.7 + 1e-12).all()
