import numpy as np
import pytest
import torch

from ratlp.data import Digits, Moons
from ratlp.data.given import GivenSource
from ratlp.data.scaling import STANDARDISED
from ratlp.experiments import Setting
from ratlp.experiments.boundary import boundaries
from ratlp.experiments.trials import Trials
from ratlp.report import boundary_figure, figure_png

SHORT = Setting(epochs=3)


def test_the_grid_holds_the_nets_probabilities():
    trials = Trials(Moons(n=100), range(2))
    found = boundaries(trials, SHORT)[1]
    assert found.method == "ratlp"
    assert found.probability.shape == (len(found.y), len(found.x))
    net = trials.stacks(SHORT, "ratlp")[0].net
    point = torch.tensor([found.x[7], found.y[3]], dtype=torch.float32)
    expected = net(point.expand(2, 1, 2))[0, 0].softmax(-1)[1].item()
    np.testing.assert_allclose(found.probability[3, 7], expected, rtol=1e-5)
    inside = (found.points >= [found.x[0], found.y[0]]) & (found.points <= [found.x[-1], found.y[-1]])
    assert inside.all()


def test_the_right_and_wrong_points_are_the_nets_own():
    trials = Trials(Moons(n=100), range(2))
    found = boundaries(trials, SHORT)[0]
    stack = trials.stacks(SHORT, "standard")[0]
    expected = (stack.net(stack.x_test)[0].argmax(-1) == stack.y_test[0]).numpy()
    assert (found.correct == expected).all()
    assert found.accuracy == 100 * expected.mean()


@pytest.mark.parametrize("scale", [(1e6, 1e6), (1e30, 1.0), (1.0, 1e-30), (1e8, 0.0)])
def test_ridiculous_ranges_give_a_grid_and_a_figure_of_sensible_size(scale):
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(40, 2)), rng.normal(size=(10, 2)) * scale
    labels = np.arange(40) % 2
    source = GivenSource("far", (train, labels), (test, labels[:10]), scaling=STANDARDISED, split_rule="given")
    found = boundaries(Trials(source, range(1)), SHORT)
    for axis in (found[0].x, found[0].y):
        assert 2 <= len(axis) <= 601
        assert (np.diff(axis) > 0).all()
    assert figure_png(boundary_figure(found))


def test_none_for_other_data():
    assert boundaries(Trials(Digits(), range(1)), SHORT) == ()
