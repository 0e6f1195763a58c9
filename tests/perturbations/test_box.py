import itertools

import pytest
import torch
from hypothesis import given, strategies as st

from ratlp.attacks import PGD, InnerProblem
from ratlp.perturbations import Box


def box_and_point(*shape, dtype=torch.float64):
    ends = torch.randn(2, *shape, dtype=dtype).sort(0).values
    point = torch.lerp(ends[0], ends[1], torch.rand(shape, dtype=dtype))
    return Box(ends[0], ends[1]), point


def assert_within(box, point, *, by=0.0):
    assert (point >= box.lower - by).all()
    assert (point <= box.upper + by).all()


def test_no_vertex_does_better():
    box, point = box_and_point(5, 4)
    gradient = torch.randn(5, 4).double()
    best = (box.linear_maximum(gradient, point) * gradient).sum(1)
    for choice in itertools.product((False, True), repeat=4):
        vertex = torch.where(torch.tensor(choice), box.upper, box.lower)
        assert (best >= ((vertex - point) * gradient).sum(1) - 1e-12).all()


def test_zero_gradient_leaves_the_coordinate():
    box, point = box_and_point(3, 4)
    gradient = torch.randn(3, 4).double()
    gradient[:, 1] = 0
    delta = box.linear_maximum(gradient, point)
    assert (delta[:, 1] == 0).all()
    assert (delta[:, [0, 2, 3]] != 0).all()


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=4), seed=st.integers(0, 2**16))
def test_project_is_the_nearest_point_of_the_box(shape, seed):
    torch.manual_seed(seed)
    box, point = box_and_point(*shape)
    delta = 3 * torch.randn(shape).double()
    found = point + box.project(delta, point)
    nearest = torch.minimum(torch.maximum(point + delta, box.lower), box.upper)
    assert torch.allclose(found, nearest, rtol=0, atol=1e-12)


def test_project_leaves_what_is_inside():
    box, point = box_and_point(6, 3)
    inside = 0.5 * (box.upper - point)
    assert torch.allclose(box.project(inside, point), inside, rtol=0, atol=1e-12)


def test_random_fills_the_box():
    box, point = box_and_point(2, 3)
    draws = torch.stack([point + box.random(point) for _ in range(2000)])
    assert_within(box, draws, by=1e-12)
    middle, width = (box.lower + box.upper) / 2, box.upper - box.lower
    assert torch.allclose(draws.mean(0), middle, atol=0.05)
    assert ((draws.amax(0) - draws.amin(0)) > 0.98 * width).all()


def test_moved_is_the_point_plus_the_perturbation():
    box, point = box_and_point(50, 7)
    delta = box.random(point)
    assert torch.allclose(box.moved(point, delta), point + delta, rtol=0, atol=1e-12)


def trained(box):
    """The same with edges that carry gradients."""
    return Box(box.lower.clone().requires_grad_(), box.upper.clone().requires_grad_())


def test_moved_by_place_is_the_point_plus_the_perturbation():
    box, point = box_and_point(50, 7)
    delta = box.random(point)
    assert torch.allclose(trained(box).moved(point, delta), point + delta, rtol=0, atol=1e-12)


def test_moved_carries_gradients_to_the_edges_by_the_place_in_the_box():
    lower, upper = torch.tensor([[-1.0, -1.0, -1.0]]), torch.tensor([[3.0, 3.0, 3.0]])
    box, point = trained(Box(lower, upper)), torch.zeros(1, 3, requires_grad=True)
    box.moved(point, torch.tensor([[2.0, -1.0, 0.0]])).sum().backward()
    assert box.upper.grad.tolist() == [[0.75, 0.0, 0.25]]
    assert box.lower.grad.tolist() == [[0.25, 1.0, 0.75]]
    assert point.grad is None


def test_moved_carries_gradients_to_the_point_where_the_edges_carry_none():
    box, point = box_and_point(5, 3)
    point.requires_grad_()
    moved = box.moved(point, box.linear_maximum(torch.randn(5, 3).double(), point.detach()))
    moved.sum().backward()
    assert torch.equal(point.grad, torch.ones(5, 3))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("offset", [0, 100, 1000])
def test_the_place_survives_a_latent_that_is_large_beside_its_box(dtype, offset):
    box, point = box_and_point(1, 5000, dtype=torch.float32)
    box, point = trained(Box(box.lower + offset, box.upper + offset)), (point + offset).to(dtype)
    gradient = torch.randn(1, 5000).to(dtype)
    box.moved(point, box.linear_maximum(gradient, point)).float().sum().backward()
    own = torch.where(gradient > 0, box.upper.grad, box.lower.grad)
    assert (own > 0.9).float().mean() > 0.99


def test_a_box_wider_than_its_dtype_reaches_is_crossed():
    ones = torch.ones(1, 1, dtype=torch.float16)
    box = trained(Box(-40000 * ones, 40000 * ones))
    assert box.moved(ones, box.linear_maximum(ones, ones)).item() == 40000


def test_a_box_without_width_moves_nothing_and_makes_no_nan():
    point = torch.randn(4, 3).requires_grad_()
    box = Box(point * 1, point * 1)  # as with eps = 0
    delta = box.linear_maximum(torch.randn(4, 3), point.detach())
    assert (delta == 0).all()
    moved = box.moved(point, delta)
    moved.sum().backward()
    assert torch.equal(moved, point)
    assert torch.equal(point.grad, torch.ones(4, 3))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", [trained, lambda box: box])
def test_a_point_that_has_moved_already_stays_in_the_box(kind, dtype):
    box, point = box_and_point(200, 5, dtype=dtype)
    delta = box.linear_maximum(torch.randn(200, 5).to(dtype), point)
    elsewhere = point + box.random(point)
    elsewhere = torch.minimum(torch.maximum(elsewhere, box.lower), box.upper)
    assert_within(box, kind(box).moved_further(elsewhere, delta), by=4 * torch.finfo(dtype).eps)


def test_a_point_that_left_the_box_already_stays_as_far_outside_and_keeps_its_gradient():
    box = trained(Box(torch.zeros(1, 3), torch.ones(1, 3)))
    point = torch.tensor([[2.0, -1.0, 0.5]], requires_grad=True)
    moved = box.moved_further(point, torch.tensor([[-0.25, 0.0, 9.0]]))
    moved.sum().backward()
    assert moved.tolist() == [[1.75, -1.0, 1.0]]
    assert point.grad.tolist() == [[1.0, 1.0, 0.0]]
    assert box.upper.grad.tolist() == [[-0.25, 0.0, 1.0]]  # as far beyond the edge, wherever that goes
    assert box.lower.grad.tolist() == [[0.25, 0.0, 0.0]]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_perturbations_have_the_points_dtype(dtype):
    box, point = box_and_point(4, 3, dtype=torch.float32)
    point, gradient = point.to(dtype), torch.randn(4, 3, dtype=dtype)
    assert box.linear_maximum(gradient, point).dtype is dtype
    assert box.steepest(gradient, point).dtype is dtype
    assert box.random(point).dtype is dtype
    assert box.project(box.random(point), point).dtype is dtype
    for box_ in (box, trained(box)):
        assert box_.moved(point, box.random(point)).dtype is dtype
        assert box_.moved_further(point, box.random(point)).dtype is dtype


def test_pgd_finds_the_corner_of_a_linear_function():
    box, point = box_and_point(6, 4)
    slope = torch.randn(6, 4).double()
    problem = InnerProblem(lambda d: ((point + d[0]) * slope).sum(1), [point], [box])
    (delta,) = PGD(steps=5)(problem)
    assert torch.allclose(delta, box.linear_maximum(slope, point), rtol=0, atol=1e-12)


def test_perturbations_are_detached():
    box, point = box_and_point(4, 3)
    box = Box(box.lower.requires_grad_(), box.upper.requires_grad_())
    gradient = torch.randn(4, 3).double()
    found = [box.linear_maximum(gradient, point), box.steepest(gradient, point), box.random(point)]
    assert not any(delta.requires_grad for delta in (*found, box.project(found[0], point)))
    assert all(edge.requires_grad for edge in box.edges(point))


def test_repr():
    assert repr(Box(torch.zeros(2, 3), torch.ones(2, 3))) == "Box(shape=(2, 3))"
