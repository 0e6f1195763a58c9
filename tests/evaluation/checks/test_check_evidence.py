import math

import pytest
import torch
from scipy.stats import binom

from ratlp.evaluation.checks.evidence import LEVEL, beyond, beyond_rounding, difference, outweighs


@pytest.mark.parametrize("n", [20, 100, 1000])
def test_chance_alone_rarely_fires(n):
    least = next(count for count in range(n + 1) if beyond(count, n, 0.01))
    assert binom.sf(least - 1, n, 0.01) < LEVEL <= binom.sf(least - 2, n, 0.01)


def test_discordant_counts_are_compared_not_concordant_ones():
    assert outweighs(7, 0)
    assert not outweighs(0, 7)
    assert not outweighs(6, 0)
    assert not outweighs(0, 0)
    assert outweighs(60, 30)
    assert not outweighs(40, 30)


@pytest.mark.parametrize("n", [1, 8, 60])
def test_discordant_counts_are_tried_on_one_side_alone(n):
    found = [outweighs(these, n - these) for these in range(n + 1)]
    assert found == [binom.sf(these - 1, n, 0.5) < LEVEL for these in range(n + 1)]


def test_the_difference_ignores_an_offset_of_all_logits():
    logits = torch.randn(5, 3)
    assert difference(logits, logits) == 0
    shifted = difference(logits + 100, logits + 100 + 0.1 * logits)
    assert math.isclose(shifted, difference(logits, 1.1 * logits), rel_tol=1e-3)


def test_of_constant_logits_any_difference_is_infinite_and_none_is_0():
    flat = torch.zeros(2, 2)
    assert difference(flat, flat) == 0
    assert difference(flat, flat + 1e-3) > 1e6


def test_rounding_is_that_of_the_type():
    assert beyond_rounding(0.01, 0.001, torch.float32)
    assert not beyond_rounding(0.01, 0.001, torch.bfloat16)
