import pytest
import torch
from sklearn.datasets import make_moons
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from ratlp.data import Moons
from ratlp.errors import InputError


@pytest.mark.parametrize("standardise", [False, True])
def test_points_are_those_of_scikit_learn(standardise: bool) -> None:
    x, y = make_moons(n_samples=1000, noise=0.2, random_state=7)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=7)
    if standardise:
        scaler = StandardScaler().fit(x_train)
        x_train, x_test = scaler.transform(x_train), scaler.transform(x_test)
    split = Moons(standardise=standardise).draw(7)
    torch.testing.assert_close(split.x_train, torch.tensor(x_train, dtype=torch.float32))
    torch.testing.assert_close(split.x_test, torch.tensor(x_test, dtype=torch.float32))
    assert split.y_train.tolist() == y_train.tolist()
    assert split.y_test.tolist() == y_test.tolist()


def test_description() -> None:
    moons = Moons(test_fraction=0.25)
    assert (moons.name, moons.features, moons.classes, moons.bounds) == ("moons", (2,), 2, None)
    assert moons.units == "the radius of a half circle"
    assert moons.split_rule == "points and a random split, 25% test, drawn anew for each seed"
    assert Moons(standardise=True).units == "standard deviations of the training part"


def test_the_test_fraction_is_kept() -> None:
    split = Moons(n=40, test_fraction=0.5).draw(0)
    assert len(split.x_train) == len(split.x_test) == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": -0.1}, "noise must be a finite number >= 0; found -0.1"),
        ({"noise": float("nan")}, "noise must be a finite number >= 0; found nan"),
        ({"test_fraction": 0.0}, "test_fraction must lie between 0 and 1; found 0.0"),
        ({"test_fraction": 1.0}, "test_fraction must lie between 0 and 1; found 1.0"),
        ({"n": 1}, "must leave a point for training.*found n=1"),
        ({"n": 5, "test_fraction": 0.9}, "must leave a point for training.*found n=5"),
        ({"n": -3}, "must leave a point for training.*found n=-3"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Moons(**options)


def test_the_smallest_sizes_draw() -> None:
    assert len(Moons(n=2, standardise=True).draw(0).x_train) == 1
