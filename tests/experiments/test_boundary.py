import numpy as np
import torch

from ratlp.data import Digits, Moons
from ratlp.experiments import Setting
from ratlp.experiments.boundary import boundaries
from ratlp.experiments.trials import Trials

SHORT = Setting(epochs=3)


def test_the_grid_holds_the_nets_probabilities():
    trials = Trials(Moons(n=100), range(2))
    found = boundaries(trials, SHORT)[1]
    assert found.method == "ratlp"
    assert found.probability.shape == (len(found.y), len(found.x))
    net = trials.stacks(SHORT, "ratlp")[0].net
    point = torch.tensor([found.x[7], found.y[3]])
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


def test_none_for_other_data():
    assert boundaries(Trials(Digits(), range(1)), SHORT) == ()
