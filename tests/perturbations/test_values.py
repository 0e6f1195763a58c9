import math

import numpy as np
import pytest
import torch

from ratlp.errors import InputError
from ratlp.perturbations import L2, LInf

POINT = torch.rand(2, 3)


@pytest.mark.parametrize("kind", [np.array, list, torch.tensor, tuple])
def test_arrays_and_lists_are_one_for_each_feature(kind):
    ball = LInf(kind([0.1, 0.2, 0.0]), bounds=(kind([0.0, 0.0, 0.0]), 1))
    expected = LInf(torch.tensor([0.1, 0.2, 0.0]), bounds=(torch.zeros(3), 1.0))
    delta = torch.randn(2, 3)
    assert torch.equal(ball.project(delta, POINT), expected.project(delta, POINT))
    assert repr(ball) == repr(expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.array, float])
@pytest.mark.parametrize("ball", [LInf, L2])
def test_one_number_of_any_kind(ball, kind):
    made = ball(kind(0.5), bounds=(kind(0), kind(1)))
    assert made.eps == 0.5
    assert repr(made) == f"{ball.__name__}(0.5, bounds=(0, 1))"
    assert (made.random(POINT) + POINT <= 1).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": "0.1"}, "eps must be a number, or a list or an array of numbers; found '0.1'"),
        ({"eps": None}, "eps must be a number"),
        ({"eps": [[0.1], [0.1, 0.2]]}, "eps must be a number"),
        ({"eps": [0.1, -0.1]}, "eps must be finite and >= 0 for each feature; found -0.1"),
        ({"eps": np.float32(-1)}, "eps must be finite and >= 0; found -1"),
        ({"bounds": (0, None)}, "a bound must be a number"),
        ({"bounds": (0,)}, r"bounds must be a pair \(low, high\); found \(0,\)"),
        ({"bounds": (0, 1, 2)}, "bounds must be a pair"),
        ({"bounds": 0.5}, "bounds must be a pair"),
        ({"bounds": ([0, 0], [1, 1, 1])}, r"found \(tensor of shape \(2,\), tensor of shape \(3,\)\)"),
        ({"bounds": (np.ones(3), np.zeros(3))}, "low <= high for each feature"),
    ],
)
def test_what_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        LInf(**{"eps": 0.1, **options})


@pytest.mark.parametrize("ball", [LInf, L2])
@pytest.mark.parametrize(("eps", "dtype"), [(1e39, torch.float32), (1e300, torch.float32), (1e5, torch.float16)])
def test_radii_beyond_the_points_type(ball, eps, dtype):
    point = POINT.to(dtype)
    for use in (ball(eps).project, ball(eps).steepest):
        with pytest.raises(InputError, match=f"eps must be within the range of the points' {dtype}; found 1"):
            use(torch.ones_like(point), point)
    assert ball(eps).edges(point.double())[0].isfinite().all()


def test_a_bound_beyond_the_points_type():
    with pytest.raises(
        InputError, match=r"bounds must be within the range of the points' torch.float32; found 1e\+300"
    ):
        LInf(0.1, bounds=(0, 1e300)).random(POINT)
    assert LInf(0.1, bounds=(0, math.inf)).random(POINT).isfinite().all()
