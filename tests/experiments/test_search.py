import math
from dataclasses import astuple, replace
from statistics import fmean

import pytest

from ratlp.data import Digits, Moons
from ratlp.errors import InputError
from ratlp.experiments import SearchSpace, Setting, reproduce
from ratlp.experiments.search import search
from ratlp.experiments.table import PAPER
from ratlp.experiments.trials import Trials

SPACE = SearchSpace(
    n=(60,),
    noise=(0.1, 0.3),
    test_fraction=(0.2,),
    hidden=((), (16,)),
    latent_activation=("relu",),
    initialisation=("torch", "he"),
    seeds=1,
    finalists=3,
    final_seeds=2,
)


@pytest.fixture(scope="module")
def found():
    return search(SPACE)


def test_every_combination_is_tried(found):
    assert found.n_settings == 16


def test_a_row_holds_what_the_setting_gives_by_itself(found):
    row = found.nearest[0]
    choices = row.choices
    source = Moons(n=60, noise=choices.noise, test_fraction=0.2, standardise=choices.standardise)
    setting = Setting(
        hidden=choices.hidden,
        latent_activation="relu",
        initialisation=choices.initialisation,
    )
    trials = Trials(source, range(2))
    for method, metric in PAPER:
        mean = trials.measurements(setting, method).summary(metric).mean
        assert row.numbers[f"{method}_{metric}"] == pytest.approx(mean, abs=100 / 12 / 2 + 1e-6)


def test_distance_is_the_root_mean_square_and_rows_come_nearest_first(found):
    distances = [row.distance for row in found.nearest]
    assert distances == sorted(distances)
    row = found.nearest[0]
    squares = [(row.numbers[f"{method}_{metric}"] - paper) ** 2 for (method, metric), paper in PAPER.items()]
    assert row.distance == pytest.approx(math.sqrt(fmean(squares)))


def off(row, metric):
    return abs(row.numbers[f"standard_{metric}"] - PAPER["standard", metric])


def test_reached_is_decided_on_the_setting_nearest_to_both_attacked_numbers(found):
    distances = [max(off(row, "input_fgsm"), off(row, "latent_fgsm")) for row in found.nearest_attacked]
    assert distances == sorted(distances)
    assert found.standard_row_reached == (distances[0] <= SPACE.tolerance)
    assert search(replace(SPACE, tolerance=100.0)).standard_row_reached


def test_the_full_space_holds_every_reading_once():
    settings = [astuple(choices) for stack in SearchSpace().stacks() for choices in stack]
    assert len(settings) == len(set(settings)) == 4 * 4 * 2 * 2 * 4 * 3 * 3


def test_other_data_is_refused():
    with pytest.raises(InputError, match="found the data 'digits'"):
        reproduce(Digits(), Setting(epochs=1), range(2), with_search=True)
