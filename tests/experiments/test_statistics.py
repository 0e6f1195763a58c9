import math

import numpy as np
import pytest

from ratlp.errors import InputError
from ratlp.experiments import Summary


def test_known_values():
    summary = Summary.of([1.0, 2.0, 3.0])
    half = 4.302652729911275 / math.sqrt(3)
    assert (summary.mean, summary.std, summary.n) == (2.0, 1.0, 3)
    assert summary.ci95 == pytest.approx((2 - half, 2 + half))
    half = 4.302652729911275 * math.sqrt(1 + 1 / 3)
    assert summary.new_seed_interval() == pytest.approx((2 - half, 2 + half))


def test_one_seed_has_no_spread():
    summary = Summary.of([5.0])
    assert (summary.std, summary.ci95) == (0.0, (5.0, 5.0))
    assert summary.verdict(99.0) is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_seed_is_refused(value):
    with pytest.raises(InputError, match="training has diverged"):
        Summary.of([1.0, value])


def test_verdict_says_where_the_published_number_lies():
    summary = Summary.of([90.0, 91.0, 92.0, 91.0])
    assert [summary.verdict(v) for v in (50.0, 91.0, 99.0)] == ["below", "within", "above"]


def test_coverage_of_both_intervals():
    # 2,000 repetitions: the observed coverage has standard error 0.5 points; 0.93 to 0.97 is 4 of them.
    rng = np.random.default_rng(0)
    mean_covered = seed_covered = 0
    for _ in range(2000):
        values = rng.normal(size=11)
        summary = Summary.of(values[:10].tolist())
        mean_covered += summary.ci95[0] <= 0 <= summary.ci95[1]
        seed_covered += summary.verdict(values[10]) == "within"
    assert 0.93 <= mean_covered / 2000 <= 0.97
    assert 0.93 <= seed_covered / 2000 <= 0.97
