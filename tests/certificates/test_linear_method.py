"""Linear bounds as a way to certify, with cheap or dear bounds of the nonlinearities' inputs."""

import math

import pytest
import torch
from torch import nn

from ratlp.bounds import Interval, SlopeAscent, linear_margins
from ratlp.certificates import Effort, certify
from ratlp.certificates.methods import LinearMethod

EPS = 0.05


@pytest.fixture
def subject():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4))
    model = model.eval().double()
    x = torch.rand(60, 1, 6, 6, dtype=torch.float64)
    with torch.no_grad():
        return model, x, model(x).argmax(1)


@pytest.mark.parametrize("intermediate", ["linear", "interval"])
def test_it_certifies_where_its_margins_are_positive(subject, intermediate):
    model, x, y = subject
    method = LinearMethod(intermediate=intermediate)
    found = certify(model, x, y, eps=EPS, bounds=(0, 1), methods=[method], effort=Effort(tolerance=math.inf))
    box = Interval((x - EPS).clamp(0, 1), (x + EPS).clamp(0, 1))
    margins = linear_margins(model, box, y, intermediate=intermediate)
    expected = margins.scatter(1, y[:, None], math.inf).amin(1) > 0
    assert found.certified(EPS).tolist() == expected.tolist()
    assert 0 < int(expected.sum()) < len(x)


def test_dearer_intermediate_bounds_certify_more(subject):
    model, x, y = subject
    methods = (LinearMethod(intermediate="linear"), LinearMethod(intermediate="interval"))
    dear, cheap = (certify(model, x, y, eps=EPS, bounds=(0, 1), methods=[method]).radius for method in methods)
    assert dear.mean() > 1.01 * cheap.mean()


def test_it_says_what_it_was_given():
    assert repr(LinearMethod()) == "LinearMethod()"
    assert repr(LinearMethod(SlopeAscent(steps=5), intermediate="interval")).endswith("intermediate='interval')")


def test_an_unknown_choice_is_refused(subject):
    model, x, y = subject
    with pytest.raises(ValueError, match="intermediate must be one of 'linear', 'interval'; found 'boxes'"):
        certify(model, x, y, eps=EPS, bounds=(0, 1), methods=[LinearMethod(intermediate="boxes")])
