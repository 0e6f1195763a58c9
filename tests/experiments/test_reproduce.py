import json
import math

import pytest

from ratlp.data import Digits, Moons
from ratlp.errors import InputError
from ratlp.experiments import SCHEMA, Setting, reproduce
from ratlp.experiments.table import table1
from ratlp.experiments.trials import Trials

SHORT = Setting(epochs=2)


def as_json(**options):
    found = reproduce(Moons(n=100), SHORT, range(3), **options)
    content = found.to_dict()
    timings = content.pop("timings")
    return json.dumps(content), timings


def test_the_same_call_gives_the_same_json_up_to_timings():
    first, timings = as_json(with_ablation=False)
    second, _ = as_json(with_ablation=False)
    assert first == second
    assert set(timings) == {"table1", "theorem", "figure1", "ablation", "search"}


def test_schema():
    content = json.loads(as_json(with_ablation=False)[0])
    assert content["schema"] == SCHEMA
    assert set(content["table1"][0]) == {
        "method",
        "metric",
        "mean",
        "std",
        "ci95",
        "paper",
        "verdict",
        "n_seeds",
    }
    assert len(content["table1"]) == 6
    assert {"violations", "n_points"} <= set(content["theorem"])
    assert content["seeds"] == [0, 1, 2]
    assert set(content["versions"]) == {"python", "ratlp", "torch", "numpy", "scipy", "scikit-learn"}
    assert content["attack_eps"] == 0.1
    assert content["data"]["units"]


def test_the_seeds_are_recorded_as_given():
    found = reproduce(Moons(n=100), SHORT, [3, 9], with_ablation=False)
    assert found.to_dict()["seeds"] == [3, 9]


@pytest.mark.parametrize("seeds", [[], [1, 2, 1]])
def test_no_seed_and_a_seed_twice_are_refused(seeds):
    with pytest.raises(InputError, match="seeds must be one or more different integers"):
        reproduce(Moons(n=100), SHORT, seeds)


def test_other_data_has_no_figure_1():
    found = reproduce(Digits(), SHORT, range(2), with_ablation=False)
    assert found.boundaries == ()
    assert found.data["bounds"] == [0.0, 1.0]


# Means over 100 seeds of an independent prototype, and a seed's standard deviation: Two Moons, noise 0.2,
# 1000 points, encoder 2-32-8; clean, input and latent attack, of standard training and then of RAT-LP.
PROTOTYPE = [(96.4, 1.4), (89.1, 2.1), (94.6, 1.8), (96.5, 1.4), (89.2, 2.0), (95.5, 1.5)]


def assert_near_the_prototype(rows, n_seeds):
    for row, (mean, std) in zip(rows, PROTOTYPE, strict=True):
        error = std * math.sqrt(1 / n_seeds + 1 / 100)  # of the difference of the two means
        assert row.mean == pytest.approx(mean, abs=4 * error)


def test_the_prototypes_numbers_at_few_seeds():
    assert_near_the_prototype(table1(Trials(Moons(), range(20)), Setting()), 20)


@pytest.mark.slow
def test_the_prototypes_numbers():
    found = reproduce(Moons(), Setting(), range(100), with_ablation=False)
    assert_near_the_prototype(found.table1, 100)
    assert found.theorem.violations == 0
