import math
from importlib import import_module
from statistics import fmean

import pytest

from ratlp.data import Moons
from ratlp.experiments import Setting
from ratlp.experiments.table import PAPER
from ratlp.experiments.trials import Trials

module = import_module("ratlp.experiments.search")


@pytest.fixture
def found(monkeypatch):
    small = {
        "N": (60,),
        "TEST_FRACTION": (0.2,),
        "HIDDEN": ((), (16,)),
        "LATENT_ACTIVATION": ("relu",),
        "NOISE": (0.1, 0.3),
        "STANDARDISE": (False, True),
        "INITIALISATION": ("torch", "he"),
        "SEEDS": range(1),
        "FINAL_SEEDS": range(2),
        "FINALISTS": 3,
    }
    for name, values in small.items():
        monkeypatch.setattr(module, name, values)
    return module.search()


def test_every_combination_is_tried(found):
    assert found.n_settings == 16


def test_a_row_holds_what_the_setting_gives_by_itself(found):
    row = found.nearest[0]
    choices = row.choices
    source = Moons(n=60, noise=choices["noise"], test_fraction=0.2, standardise=choices["standardise"])
    setting = Setting(
        hidden=tuple(choices["hidden"]),
        latent_activation="relu",
        initialisation=choices["initialisation"],
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
