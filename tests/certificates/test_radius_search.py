import math

import pytest
import torch
from hypothesis import given, strategies as st

from ratlp.certificates.search import RadiusSearch

thresholds = st.lists(st.floats(0, 100, allow_nan=False), min_size=1, max_size=8)
asked = st.lists(st.floats(0.01, 5), min_size=1, max_size=5, unique=True).map(lambda radii: tuple(sorted(radii)))


def holds_up_to(threshold, tried=None):
    def holds(eps):
        if tried is not None:
            tried.append(eps.clone())
        return eps <= threshold

    return holds


@given(thresholds, asked, st.sampled_from([0.2, 0.01, 1e-4]))
def test_it_finds_the_threshold_from_below_within_the_tolerance(values, eps, tolerance):
    threshold = torch.tensor(values, dtype=torch.float64)
    found = RadiusSearch(eps, tolerance=tolerance).largest(holds_up_to(threshold), torch.zeros(len(values)))
    assert (found <= threshold).all()
    reach = threshold.clamp(max=1024 * max(eps))  # no further
    assert (found >= reach - tolerance * threshold.clamp(min=max(eps)) - 1e-12).all()


@given(thresholds, asked)
def test_the_radii_asked_for_are_decided_exactly(values, eps):
    threshold = torch.tensor(values, dtype=torch.float64)
    for tolerance in (0.01, math.inf):
        found = RadiusSearch(eps, tolerance=tolerance).largest(holds_up_to(threshold), torch.zeros(len(values)))
        for radius in eps:
            assert torch.equal(found >= radius, threshold >= radius)


def test_what_comes_out_was_tried_and_held_or_was_known():
    tried = []
    threshold = torch.tensor([0.05, 0.3, 0.7], dtype=torch.float64)
    known = torch.tensor([0.06, 0.0, 0.1], dtype=torch.float64)
    found = RadiusSearch((0.1, 0.2)).largest(holds_up_to(threshold, tried), known)
    assert found[0] == known[0]
    for sample in (1, 2):
        assert any(found[sample] == trial[sample] for trial in tried)


def test_a_method_that_is_not_monotone_still_gives_radii_that_held():
    def holds(eps):
        held = (eps < 0.1) | ((eps > 0.15) & (eps < 0.17))
        certified.extend(eps[held].tolist())
        return held

    certified = []
    found = RadiusSearch((0.05, 0.12, 0.16)).largest(holds, torch.zeros(1))
    assert float(found) in certified


def test_without_a_tolerance_the_radii_asked_for_alone_are_tried():
    tried = []
    threshold = torch.tensor([0.15, 0.5], dtype=torch.float64)
    RadiusSearch((0.1, 0.2, 0.3), tolerance=math.inf).largest(holds_up_to(threshold, tried), torch.zeros(2))
    assert {radius for trial in tried for radius in trial.tolist()} <= {0.0, 0.1, 0.2, 0.3}
    assert len(tried) == 2  # bisection, not one by one


@pytest.mark.parametrize("limit", [1.0, 0.15])
def test_what_holds_at_the_limit_holds_everywhere(limit):
    search = RadiusSearch((0.1, 0.2), limit=limit)
    assert search.largest(holds_up_to(torch.tensor([9.0])), torch.zeros(1)).tolist() == [math.inf]


def test_a_search_for_something_that_always_holds_ends():
    found = RadiusSearch((0.1,)).largest(lambda eps: torch.ones(len(eps), dtype=torch.bool), torch.zeros(2))
    assert (found >= 100).all()
    assert found.isfinite().all()


def test_nothing_asked_nothing_found():
    known = torch.tensor([0.3])
    assert RadiusSearch(()).largest(holds_up_to(1.0), known).tolist() == pytest.approx([0.3])
