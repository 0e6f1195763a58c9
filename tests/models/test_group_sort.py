import pytest
import torch
from hypothesis import given, settings, strategies as st

from ratlp.bounds import lipschitz_bound
from ratlp.errors import InputError
from ratlp.models import GroupSort, MaxMin


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 3), st.integers(0, 2), st.booleans(), st.integers(0, 10**6))
def test_every_group_is_sorted_and_keeps_its_values(size, groups, after, last, seed):
    torch.manual_seed(seed)
    dim = -1 if last else 1
    x = torch.randn(3, *[2] * after, groups * size) if last else torch.randn(3, groups * size, *[2] * after)
    found = GroupSort(size, dim=dim)(x)
    for ours, theirs in zip(found.movedim(dim, -1).split(size, -1), x.movedim(dim, -1).split(size, -1), strict=True):
        assert torch.equal(ours, theirs.sort(-1).values)


def test_max_min_is_group_sort_of_pairs_the_other_way_round():
    x = torch.randn(5, 8, 3)
    assert torch.equal(MaxMin()(x).unflatten(1, (4, 2)).flip(2).flatten(1, 2), GroupSort(2)(x))


@pytest.mark.parametrize("layer", [GroupSort(4), MaxMin()], ids=repr)
def test_no_gradient_is_lost(layer):
    x = torch.randn(5, 8, requires_grad=True)
    upstream = torch.randn(5, 8)
    (gradient,) = torch.autograd.grad(layer(x), x, upstream)
    assert torch.allclose(gradient.norm(dim=1), upstream.norm(dim=1))
    assert lipschitz_bound(layer) == lipschitz_bound(layer, norm="l2") == 1.0


def test_groups_that_do_not_fit():
    with pytest.raises(InputError, match="found 2 and 3"):
        MaxMin()(torch.randn(1, 3))
    with pytest.raises(InputError, match="group_size must be >= 1; found 0"):
        GroupSort(0)
