import math

import pytest
import torch

from ratlp.errors import BoundError, InputError
from ratlp.perturbations import L2, Box, LInf, PerturbationSet, Propagated, rms_per_sample


@pytest.mark.parametrize("eps", [-1e-9, math.inf, math.nan])
def test_eps_out_of_range(eps):
    with pytest.raises(InputError, match="eps must be finite and >= 0"):
        Propagated(eps)
    with pytest.raises(InputError, match="eps must be finite and >= 0"):
        Propagated(0.1).eps = eps


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (math.nan, 1)])
def test_bounds_out_of_order(bounds):
    with pytest.raises(InputError, match="low < high"):
        Propagated(0.1, bounds=bounds)


def test_within_asks_for_what_the_ball_around_the_input_reaches():
    edges = torch.zeros(2, 3), torch.ones(2, 3)
    asked = []

    def reach(ball):
        asked.append(ball)
        return edges

    budget = Propagated(0.25, bounds=(0, 1))
    found = budget.within(reach)
    assert isinstance(found, Box)
    assert found.edges(torch.full((2, 3), 0.5)) == edges
    assert repr(asked) == "[LInf(0.25, bounds=(0, 1))]"
    budget.eps = 0.5
    assert asked[0].eps == 0.5  # of the next batch


def test_other_sets_stay_as_they_are():
    ball = LInf(0.1)
    assert ball.within(lambda _: pytest.fail("nothing is to be propagated")) is ball


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
@pytest.mark.parametrize("ball", [LInf, L2])
def test_the_edges_of_a_ball_contain_its_points(ball, bounds):
    set_ = ball(0.3, bounds=bounds)
    point = torch.rand(10, 4).double()
    lower, upper = set_.edges(point)
    for _ in range(200):
        for delta in (set_.random(point), set_.linear_maximum(torch.randn_like(point), point)):
            assert ((point + delta >= lower - 1e-12) & (point + delta <= upper + 1e-12)).all()
    if ball is LInf:  # and they are reached
        ones = torch.ones_like(point)
        assert torch.allclose(point + set_.linear_maximum(ones, point), upper, atol=1e-12)
        assert torch.allclose(point + set_.linear_maximum(-ones, point), lower, atol=1e-12)


def test_the_edges_of_a_relative_ball():
    point = torch.tensor([[3.0, 4.0]])
    radius = 0.1 * (12.5**0.5)
    lower, upper = LInf(0.1, relative_to=rms_per_sample).edges(point)
    assert torch.allclose(torch.cat([lower, upper]), torch.cat([point - radius, point + radius]))


def test_a_point_out_of_bounds_may_stay_there():
    lower, upper = LInf(0.3, bounds=(0, 1)).edges(torch.tensor([[-0.5, 1.5]]))
    assert lower.tolist() == [[-0.5, pytest.approx(1.2)]]
    assert upper.tolist() == [[pytest.approx(-0.2), 1.5]]


def test_a_set_without_edges_says_so():
    class Odd(PerturbationSet):
        steepest = project = random = None

    Odd.__abstractmethods__ = frozenset()
    with pytest.raises(BoundError, match="found Odd: write its method edges"):
        Odd().edges(torch.zeros(1))


def test_repr():
    assert repr(Propagated(0.1)) == "Propagated(0.1)"
    assert repr(Propagated(0.1, bounds=(0, 1))) == "Propagated(0.1, bounds=(0, 1))"
