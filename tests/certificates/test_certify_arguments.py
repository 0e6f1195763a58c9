import math

import numpy as np
import pytest
import torch
from torch import nn

from ratlp.certificates import Effort, certify
from ratlp.certificates.problem import NormedSpace, Problem
from ratlp.errors import InputError, LayerError

X, Y = torch.rand(4, 2), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"eps": -0.1}, InputError, "eps must be one or more numbers, finite and >= 0; found -0.1"),
        ({"eps": [0.1, math.nan]}, InputError, "eps must be one or more numbers"),
        ({"eps": []}, InputError, "eps must be one or more numbers"),
        ({"eps": "0.1"}, InputError, "eps must be a number, or a list or an array of numbers; found '0.1'"),
        ({"eps": None}, InputError, "eps must be a number, or a list or an array of numbers; found None"),
        ({"norm": "l1"}, InputError, "norm must be 'linf' or 'l2'; found 'l1'"),
        ({"layer": "3"}, LayerError, "Names that fit: '0', '1', '2'"),
        ({"methods": ["intervall"]}, InputError, "found 'intervall'; did you mean 'interval'"),
        ({"methods": []}, InputError, "one or more different ones"),
        ({"methods": ["linear", "linear"]}, InputError, "one or more different ones"),
        ({"bounds": (1, 0)}, InputError, "low < high"),
        (
            {"bounds": (0, torch.tensor([1.0, 2.0]))},
            InputError,
            r"two numbers, the same for all features; found 0 and tensor of shape \(2,\): scale the features",
        ),
        ({"bounds": (np.zeros(2), np.ones(2))}, InputError, r"found tensor of shape \(2,\) and tensor of shape"),
        ({"bounds": 0.5}, InputError, r"bounds must be a pair \(low, high\); found 0.5"),
        ({"bounds": (0, 0.5, 1)}, InputError, r"bounds must be a pair"),
        ({"bounds": (None, 1)}, InputError, "a bound must be a number, or a list or an array of numbers; found None"),
        ({"bounds": (0, 0.5)}, InputError, r"within the bounds \(0.0, 0.5\); found"),
        ({"x": X.int()}, InputError, "float32 or float64 tensor"),
        ({"x": X[:3]}, InputError, "inputs and labels must be of one length"),
        ({"x": X / 0}, InputError, "inputs must be finite"),
        ({"x": torch.rand(4, 5)}, InputError, r"must take the data; found that inputs of shape \(4, 5\)"),
        ({"y": Y.float()}, InputError, "class indices; found torch.float32"),
        ({"y": Y + 25}, InputError, "labels must be in 0..2, as there are 3 logits; found 25..26"),
    ],
)
def test_what_does_not_fit(options, error, message):
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3))
    arguments = {"x": X, "y": Y, "eps": 0.1, **options}
    with pytest.raises(error, match=message):
        certify(net, **arguments)


@pytest.mark.parametrize(
    "eps", [0.5, [0.5], (0.5,), np.float32(0.5), np.array([0.5]), torch.tensor(0.5), torch.tensor([0.5])], ids=repr
)
def test_eps_of_any_kind(eps):
    assert certify(nn.Linear(2, 3), X, Y, eps=eps, bounds=(np.float32(0), torch.tensor(1))).eps == (0.5,)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Flatten(0), r"logits \[batch, classes\] with at least 2 classes; found shape \(8,\)"),
        (nn.Linear(2, 1), "write a binary classifier's single logit s as"),
    ],
)
def test_logits_of_another_shape(model, message):
    with pytest.raises(InputError, match=message):
        certify(model, X, Y, eps=0.1)


def test_logits_that_are_nan():
    net = nn.Linear(2, 2)
    net.weight.data[0, 0] = math.nan
    with pytest.raises(InputError, match="logits must be finite; found 4 NaN and 0 infinite of 8 values"):
        certify(net, X, Y, eps=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tolerance": -1}, "tolerance must be >= 0; found -1"),
        ({"tolerance": math.nan}, "tolerance must be >= 0; found nan"),
        ({"batch_size": 0}, "batch_size must be >= 1; found 0"),
    ],
)
def test_efforts_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        Effort(**options)


def test_effort_in_a_type_that_rounds_too_much():
    with pytest.raises(InputError, match=r"found torch\.float16"):
        Effort(dtype=torch.float16)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize(("mean", "std"), [(0.1307, 0.3081), (0.485, 0.229), (0.5, 0.25)])
def test_normalised_data_lies_within_its_normalised_bounds(mean, std, norm):
    torch.manual_seed(0)
    x = (torch.tensor([[0.0, 1.0] * 8, [1.0, 0.0] * 8]) - mean) / std
    net = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    low, high = (0 - mean) / std, (1 - mean) / std
    found = certify(net, x, net(x).argmax(1), eps=[0.001, 0.1], bounds=(low, high), norm=norm)
    assert (found.radius > 0).all()
    assert found.bounds == (low, high)


def test_a_sample_that_rounding_put_outside_lies_in_its_own_box():
    x, low = torch.tensor([[0.1 - 1e-8, 0.5]]), 0.1
    assert float(x.min()) < low
    space = NormedSpace("input", "linf", (low, 1.0), is_input=True).holding(x)
    problem = Problem(nn.Linear(2, 2).double(), x.double(), Y[:1], space, dtype=torch.float64)
    lower, upper = problem.balls(torch.tensor([0])).edges(torch.tensor([1e-12], dtype=torch.float64))
    assert (lower <= x).all()
    assert (x <= upper).all()
    assert space.span >= 1 - float(x.min())
