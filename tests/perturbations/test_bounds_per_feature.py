import math

import pytest
import torch

from ratlp import RATLP
from ratlp.errors import InputError
from ratlp.perturbations import L2, LInf, Propagated, rms_per_sample

EPS = torch.tensor([5.0, 1000.0, 0.0])
LOW, HIGH = torch.tensor([0.0, -math.inf, 2.0]), torch.tensor([120.0, math.inf, 2.0])


@pytest.fixture
def point():
    return torch.tensor([[118.0, 30000.0, 2.0], [1.0, -500.0, 2.0]])


def test_each_feature_has_its_own_radius(point):
    delta = LInf(EPS).linear_maximum(torch.tensor([[1.0, -1.0, 1.0]] * 2), point)
    assert delta.tolist() == [[5, -1000, 0], [5, -1000, 0]]
    drawn = torch.stack([LInf(EPS).random(point) for _ in range(200)])
    assert (drawn.abs() <= EPS).all()
    assert (drawn.abs().amax((0, 1)) >= 0.9 * EPS).all()


@pytest.mark.parametrize("ball", [LInf(10.0, bounds=(LOW, HIGH)), L2(50.0, bounds=(LOW, HIGH))], ids=repr)
def test_each_feature_has_its_own_range(ball, point):
    for _ in range(50):
        moved = point + ball.random(point)
        assert ((moved >= LOW) & (moved <= HIGH)).all()
    assert (ball.random(point)[:, 2] == 0).all()


def test_one_bound_may_be_a_number(point):
    ball = LInf(EPS, bounds=(0, HIGH))
    assert (point[:1] + ball.linear_maximum(torch.ones(1, 3), point[:1])).tolist() == [[120, 31000, 2]]


def test_a_channel_each():
    high = torch.tensor([0.5, 1.0])[:, None, None]
    ball = LInf(9.0, bounds=(0.0, high))
    image = torch.rand(3, 2, 4, 4) * high
    moved = image + ball.linear_maximum(torch.ones(3, 2, 4, 4), image)
    assert torch.allclose(moved, high.expand(3, 2, 4, 4))


def test_edges(point):
    lower, upper = LInf(EPS, bounds=(LOW, HIGH)).edges(point)
    assert lower.tolist() == [[113, 29000, 2], [0, -1500, 2]]
    assert upper.tolist() == [[120, 31000, 2], [6, 500, 2]]


def test_propagated(point):
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    perturbation = Propagated(EPS / 1000, bounds=(LOW, HIGH))
    assert repr(perturbation) == "Propagated(tensor of shape (3,), bounds=(tensor of shape (3,), tensor of shape (3,)))"
    RATLP(model, layer="1", perturbation=perturbation)(point, torch.tensor([0, 1])).loss.backward()


def test_relative_to_a_scale(point):
    delta = LInf(torch.tensor([0.1, 0.2, 0.0]), relative_to=rms_per_sample).linear_maximum(torch.ones(2, 3), point)
    assert torch.allclose(delta, rms_per_sample(point) * torch.tensor([[0.1, 0.2, 0.0]]))


def test_takes_the_points_type():
    ball = LInf(EPS.double(), bounds=(LOW.double(), HIGH.double()))
    point = torch.ones(1, 3, dtype=torch.float16)
    assert ball.linear_maximum(torch.ones(1, 3), point).dtype is torch.float16


def test_outside_its_bounds_a_point_moves_no_further_out():
    ball = LInf(1.0, bounds=(torch.tensor([0.0, 0.0]), 1.0))
    delta = ball.linear_maximum(torch.tensor([[1.0, -1.0]]), torch.tensor([[3.0, 3.0]]))
    assert delta.tolist() == [[0, -1]]


@pytest.mark.parametrize("shape", [(4,), (1, 3), (2, 3)])
def test_must_fit_a_sample(shape, point):
    with pytest.raises(InputError, match=r"bounds must be broadcastable to a sample, \(3,\), without the batch axis"):
        LInf(0.1, bounds=(-torch.ones(shape), 9)).project(point, point)
    with pytest.raises(InputError, match=r"eps must be broadcastable to a sample, \(3,\)"):
        LInf(torch.ones(shape)).steepest(point, point)


def test_out_of_range():
    with pytest.raises(InputError, match="eps must be finite and >= 0 for each feature; found -1"):
        LInf(torch.tensor([1.0, -1.0]))
    with pytest.raises(InputError, match=r"low <= high for each feature; found \(tensor of shape \(3,\), 0\)"):
        LInf(0.1, bounds=(LOW, 0))
    with pytest.raises(InputError, match="low <= high for each feature"):
        LInf(0.1, bounds=(torch.tensor([math.nan]), 1))
    with pytest.raises(InputError, match="an L2 ball has one radius, a number; found a tensor"):
        L2(EPS)


def test_repr():
    assert repr(LInf(EPS, bounds=(0, HIGH))) == "LInf(tensor of shape (3,), bounds=(0, tensor of shape (3,)))"
