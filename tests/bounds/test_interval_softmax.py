"""Softmax and its logarithm: exact, of any shape, and of logits as low as masks make them."""

import pytest
import torch
from hypothesis import given, settings, strategies as st
from torch.nn import functional
from utils.rule_points import box_of, check_inside

from ratlp.bounds import Interval

FUNCTIONS = (torch.softmax, torch.log_softmax)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.integers(0, 3), st.booleans())
def test_softmax_of_any_shape_is_exact(shape, dim, negative):
    dim = dim % len(shape) - len(shape) * negative
    box = box_of(shape)
    bounds = check_inside(lambda x: x.softmax(dim), box)
    best = box.lower.clone()
    best.view(-1)[-1] = box.upper.flatten()[-1]
    torch.testing.assert_close(bounds.upper.flatten()[-1], best.softmax(dim).flatten()[-1])
    check_inside(lambda x: x.log_softmax(dim), box)


def test_softmax_reaches_its_bounds():
    lower, upper = torch.tensor([-1.0, 0.0, 2.0]).double(), torch.tensor([1.0, 0.5, 2.5]).double()
    box = torch.softmax(Interval(lower, upper), 0)
    for i in range(3):
        best = lower.clone()
        best[i] = upper[i]
        torch.testing.assert_close(box.upper[i], best.softmax(0)[i])


def test_softmax_of_masked_logits_has_bounds_and_gradients():
    logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    masked = Interval(logits - 1, logits + 1).masked_fill(torch.tensor([False, True, True]), -torch.inf)
    box = torch.softmax(masked, 0)
    assert torch.equal(box.lower, torch.tensor([1.0, 0.0, 0.0]).double())
    assert torch.equal(box.upper, torch.tensor([1.0, 0.0, 0.0]).double())
    box.upper.sum().backward()
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("masked", [0.0, 0.5, 1.0])
def test_masks_of_the_least_number_are_held_as_the_model_has_them(function, masked, dtype):
    """Rows in which all, some or no keys have one, and shares of it."""
    torch.manual_seed(0)
    low = torch.tensor(torch.finfo(dtype).min, dtype=dtype)
    mask = torch.where(torch.rand(50, 6) < masked, low, 0) * torch.tensor([1, 1, 0.5, 0.25, 1, 1]).to(dtype)
    x = torch.randn(50, 6).to(dtype) + mask
    bounds, found = function(Interval(x, x), -1), function(x, -1)
    slack = {torch.float16: 2e-2}.get(dtype, 1e-4)
    torch.testing.assert_close(bounds.lower, found, rtol=slack, atol=slack)
    torch.testing.assert_close(bounds.upper, found, rtol=slack, atol=slack)


def test_points_stay_within_where_all_logits_are_very_low():
    torch.manual_seed(0)
    x = torch.randn(4, 6, dtype=torch.float64)
    check_inside(lambda x: (x - 1e300).softmax(-1), Interval(x - 0.5, x + 0.5))
    check_inside(lambda x: (1e300 * x - 1e307).softmax(-1), Interval(x - 0.5, x + 0.5))


def test_attention_of_a_masked_token_is_the_mean_of_the_values():
    values = torch.randn(1, 3, 3)
    mask = torch.full((3, 3), torch.finfo(torch.float32).min).triu(0)
    box = Interval(values, values)
    found = functional.scaled_dot_product_attention(box, box, box, attn_mask=mask)
    torch.testing.assert_close(found.upper[:, 0], values.mean(1))
    torch.testing.assert_close(found.lower[:, 0], values.mean(1))
