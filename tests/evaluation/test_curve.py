"""Robust accuracy over eps."""

import pytest
import torch
from torch import nn

from ratlp.attacks import FGSM, PGD, Maximiser
from ratlp.evaluation import Attack, evaluate, robustness_curve
from ratlp.perturbations import L2, LInf, rms_per_sample


@pytest.fixture
def line():
    """Class 0 where x > 0: the distance of every sample is known."""
    model = nn.Linear(1, 2)
    model.load_state_dict({"weight": torch.tensor([[1.0], [-1.0]]), "bias": torch.zeros(2)})
    return model


def test_the_curve_of_a_threshold(line):
    x = torch.arange(0.05, 1.0, 0.1)[:, None]
    curve = robustness_curve(line, x, torch.zeros(10).long(), Attack("pgd", PGD(steps=5), LInf(9.0)), [0.5, 0.1, 0.3])
    assert [point.eps for point in curve.points] == [0.0, 0.1, 0.3, 0.5]
    assert [point.robust.correct for point in curve.points] == [10, 9, 7, 5]
    assert [point.raw.correct for point in curve.points] == [10, 9, 7, 5]
    assert curve.points[2].eps_absolute == 0.3
    assert curve.points[2].eps_relative is None


class Weak(Maximiser):
    """Gives up where the ball is large."""

    starts_at_zero = True

    def __call__(self, problem):
        found = problem.linear_maximum(problem.gradients)
        return tuple(torch.where(delta.abs() > 0.4, 0, delta) for delta in found)


def test_the_curve_never_rises_and_the_raw_one_may(line):
    x = torch.arange(0.05, 1.0, 0.1)[:, None]
    curve = robustness_curve(line, x, torch.zeros(10).long(), Attack("weak", Weak(), LInf(1.0)), [0.1, 0.3, 0.5])
    assert [point.raw.correct for point in curve.points] == [10, 9, 7, 10]
    assert [point.robust.correct for point in curve.points] == [10, 9, 7, 7]


@pytest.mark.parametrize("norm", [LInf, L2])
def test_latent_budgets_in_both_units(mlp, samples, norm):
    model = mlp(3)
    x, y = samples(model)
    absolute = robustness_curve(model, x, y, Attack("fgsm", FGSM(), norm(1.0), layer="1"), [0.2, 0.4])
    relative = robustness_curve(
        model, x, y, Attack("fgsm", FGSM(), norm(1.0, relative_to=rms_per_sample), layer="1"), [0.2, 0.4]
    )
    assert absolute.unit == relative.unit > 0
    for point in absolute.points[1:]:
        assert point.eps == point.eps_absolute == pytest.approx(point.eps_relative * absolute.unit)
    for point in relative.points[1:]:
        assert point.eps == point.eps_relative == pytest.approx(point.eps_absolute / absolute.unit)
    assert relative.relative_to == "rms_per_sample"


def test_each_point_is_an_evaluation(mlp, samples):
    model = mlp(3)
    x, y = samples(model)
    attack = Attack("pgd", PGD(steps=5), LInf(0.1, bounds=(0, 1)))
    curve = robustness_curve(model, x, y, attack, [0.1, 0.3])
    for point in curve.points[1:]:
        assert evaluate(model, x, y, [attack.at(point.eps)]).attacks[0].robust == point.raw
