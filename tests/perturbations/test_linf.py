import itertools
import math

import pytest
import torch

from ratlp.errors import InputError
from ratlp.perturbations import LInf


@pytest.mark.parametrize("bounds", [None, (0.0, 1.0)])
def test_no_vertex_does_better(bounds):
    point, gradient = torch.rand(5, 4), torch.randn(5, 4)
    best = (LInf(0.3, bounds=bounds).linear_maximum(gradient, point) * gradient).sum(1)
    for signs in itertools.product((-1.0, 1.0), repeat=4):
        other = point + 0.3 * torch.tensor(signs)
        other = other if bounds is None else other.clamp(*bounds)
        assert (best >= ((other - point) * gradient).sum(1) - 1e-6).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize("outside", [0.0, 0.5])
def test_numbers_and_tensors_make_the_same_ball(dtype, outside):
    point = ((1 + 2 * outside) * torch.rand(5, 4) - outside).to(dtype)
    delta, gradient = torch.randn(5, 4).to(dtype), torch.randn(5, 4).to(dtype)
    numbers = LInf(0.3, bounds=(0.0, 1.0))
    tensors = LInf(torch.full((4,), 0.3, dtype=dtype), bounds=(torch.zeros(4), torch.ones(4)))
    assert torch.equal(numbers.steepest(gradient, point), tensors.steepest(gradient, point))
    assert torch.equal(numbers.project(delta, point), tensors.project(delta, point))
    for one, other in zip(numbers.edges(point), tensors.edges(point), strict=True):
        assert torch.allclose(one, other, rtol=torch.finfo(dtype).eps)  # the number is not rounded before


def test_zero_gradient_leaves_the_coordinate():
    assert LInf(0.3).linear_maximum(torch.zeros(3), torch.ones(3)).tolist() == [0, 0, 0]


def test_keeps_the_points_dtype():
    delta = LInf(0.3).linear_maximum(torch.ones(3), torch.ones(3, dtype=torch.float16))
    assert delta.dtype is torch.float16


@pytest.mark.parametrize("eps", [-1e-9, math.inf, math.nan])
def test_eps_out_of_range(eps):
    with pytest.raises(InputError, match="eps must be finite and >= 0"):
        LInf(eps)


@pytest.mark.parametrize("bounds", [(1, 0), (0, 0), (math.nan, 1)])
def test_bounds_out_of_order(bounds):
    with pytest.raises(InputError, match="low < high"):
        LInf(0.1, bounds=bounds)


def test_repr():
    assert repr(LInf(0.1)) == "LInf(0.1)"
    assert repr(LInf(0.1, bounds=(0, 1))) == "LInf(0.1, bounds=(0, 1))"
