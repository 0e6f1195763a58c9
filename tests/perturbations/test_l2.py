import pytest
import torch

from ratlp.errors import InputError
from ratlp.perturbations import L2, rms_per_channel, rms_per_sample, rms_per_token


def lengths(delta, per):
    return delta.flatten({"sample": 1, "token": 2}[per]).norm(dim=-1)


@pytest.fixture
def point():
    return torch.randn(4, 5, 6).double()


@pytest.mark.parametrize("per", ["sample", "token"])
def test_no_random_direction_does_better(per, point):
    gradient, ball = torch.randn_like(point), L2(0.3, per=per)
    best = (ball.linear_maximum(gradient, point) * gradient).sum((1, 2))
    for _ in range(200):
        other = ball.steepest(torch.randn_like(point), point)
        assert (best >= (other * gradient).sum((1, 2))).all()


@pytest.mark.parametrize("per", ["sample", "token"])
def test_steepest_lies_on_the_edge_and_projection_reaches_it(per, point):
    ball = L2(0.3, per=per)
    assert torch.allclose(lengths(ball.steepest(point, point), per), torch.full((1,), 0.3).double())
    far = 10 * point
    projected = ball.project(far, point)
    assert torch.allclose(lengths(projected, per), torch.full((1,), 0.3).double())
    axes = (1, 2) if per == "sample" else (2,)
    direction = far / far.norm(dim=axes, keepdim=True)
    assert torch.allclose(projected, 0.3 * direction)
    near = 1e-3 * point
    assert torch.equal(ball.project(near, point), near)


@pytest.mark.parametrize("per", ["sample", "token"])
def test_random_is_inside(per, point):
    for _ in range(20):
        assert (lengths(L2(0.3, per=per).random(point), per) <= 0.3 + 1e-12).all()


@pytest.mark.parametrize("size", [1e-300, 1e-30, 1.0, 1e30, 1e300])
def test_direction_is_right_at_any_size_of_gradient(size, point):
    expected = L2(1.0).steepest(point, point)
    assert torch.allclose(L2(1.0).steepest(size * point, point), expected, rtol=1e-12)


def test_zero_gradient_gives_zero(point):
    assert (L2(1.0).steepest(torch.zeros_like(point), point) == 0).all()


def test_relative_radius_is_a_share_of_the_length(point):
    delta = L2(0.1, relative_to=rms_per_sample).steepest(torch.randn_like(point), point)
    assert torch.allclose(lengths(delta, "sample"), 0.1 * lengths(point, "sample"))
    delta = L2(0.1, per="token", relative_to=rms_per_token).steepest(torch.randn_like(point), point)
    assert torch.allclose(lengths(delta, "token"), 0.1 * lengths(point, "token"))


def test_bounds(point):
    moved = point.sigmoid() + L2(5.0, bounds=(0, 1)).random(point.sigmoid())
    assert ((moved >= 0) & (moved <= 1)).all()


def test_per_must_be_known():
    with pytest.raises(InputError, match="per must be 'sample' or 'token'; found 'pixel'"):
        L2(0.1, per="pixel")


def test_a_scale_must_be_one_for_each_unit(point):
    with pytest.raises(InputError, match=r"one scale per sample; found shape \(1, 5, 1\)"):
        L2(0.1, relative_to=rms_per_channel).steepest(point, point)


def test_tokens_need_three_dimensions():
    with pytest.raises(InputError, match=r"3 dimensions or more; found shape \(4, 6\)"):
        L2(0.1, per="token").steepest(torch.ones(4, 6), torch.ones(4, 6))
