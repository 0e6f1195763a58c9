import math

import pytest

from ratlp.errors import InputError
from ratlp.proportions import wilson_interval


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
