import itertools
import math

import pytest
from hypothesis import given, strategies as st
from scipy.stats import binom, binomtest, multinomial

from ratlp.errors import InputError
from ratlp.proportions import binomial_tail, mcnemar, paired_interval, wilson_interval


@pytest.mark.parametrize("n", [1, 7, 1000])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_ends_solve_wilsons_equation(share, n):
    successes = round(share * n)
    p = successes / n
    for end in wilson_interval(successes, n):
        # |p - end| is z standard errors of a share whose true value is the end.
        if 0 < end < 1:
            assert abs(p - end) / math.sqrt(end * (1 - end) / n) == pytest.approx(1.959963984540054)


def test_it_stays_in_the_unit_interval_and_holds_the_share():
    for n in (1, 2, 5, 360, 10_000):
        for successes in {0, 1, n // 2, n}:
            low, high = wilson_interval(successes, n)
            assert 0 <= low <= successes / n <= high <= 1
            assert high - low > 0


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_that_do_not_fit(successes, n):
    with pytest.raises(InputError, match="0 <= successes <= n"):
        wilson_interval(successes, n)


def test_mcnemar_is_the_exact_binomial_test():
    for first, second in itertools.product(range(9), repeat=2):
        expected = binomtest(first, first + second).pvalue if first + second else 1.0
        assert mcnemar(first, second) == pytest.approx(expected)


def test_intervals_are_antisymmetric_and_hold_the_difference():
    for first, second in itertools.product(range(0, 20, 3), repeat=2):
        low, high = paired_interval(first, second, 40)
        assert -1 <= low < (first - second) / 40 < high <= 1
        assert paired_interval(second, first, 40) == pytest.approx((-high, -low))


def test_intervals_cover_in_all_but_five_of_a_hundred_draws():
    """Exact coverage for two probabilities of disagreement, by summing over all outcomes of 60 samples."""
    n, first, second = 60, 0.2, 0.1
    covered = sum(
        multinomial.pmf((b, c, n - b - c), n, (first, second, 1 - first - second))
        for b in range(n + 1)
        for c in range(n + 1 - b)
        if paired_interval(b, c, n)[0] <= first - second <= paired_interval(b, c, n)[1]
    )
    assert 0.94 <= covered <= 0.975


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.001, 0.999))
def test_the_tail_is_scipys(count, n, share):
    assert binomial_tail(count, n, share) == pytest.approx(binom.sf(count - 1, n, share), rel=1e-9, abs=1e-300)


def test_the_tail_of_many_samples_neither_over_nor_underflows():
    assert binomial_tail(0, 10**5, 0.01) == 1.0
    assert binomial_tail(1100, 10**5, 0.01) == pytest.approx(binom.sf(1099, 10**5, 0.01), rel=1e-6)
    assert binomial_tail(10**5, 10**5, 0.01) == 0.0


@pytest.mark.parametrize(
    ("count", "n", "share", "tail"), [(3, 2, 0.5, 0.0), (1, 0, 0.5, 0.0), (1, 5, 0, 0.0), (1, 5, 1, 1.0)]
)
def test_the_tail_at_the_edges(count, n, share, tail):
    assert binomial_tail(count, n, share) == tail
