import math

import pytest
import torch
from torch import nn

from ratlp.certificates import Effort, certify
from ratlp.errors import InputError, LayerError

X, Y = torch.rand(4, 2), torch.tensor([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"eps": -0.1}, InputError, "eps must be one or more numbers, finite and >= 0; found -0.1"),
        ({"eps": [0.1, math.nan]}, InputError, "eps must be one or more numbers"),
        ({"eps": []}, InputError, "eps must be one or more numbers"),
        ({"norm": "l1"}, InputError, "norm must be 'linf' or 'l2'; found 'l1'"),
        ({"layer": "3"}, LayerError, "Names that fit: '0', '1', '2'"),
        ({"methods": ["intervall"]}, InputError, "found 'intervall'; did you mean 'interval'"),
        ({"methods": []}, InputError, "one or more different ones"),
        ({"methods": ["linear", "linear"]}, InputError, "one or more different ones"),
        ({"bounds": (1, 0)}, InputError, "low < high"),
        (
            {"bounds": (0, torch.tensor([1.0, 2.0]))},
            InputError,
            r"two numbers, the same for all features; found 0 and a tensor of shape \(2,\): scale the features",
        ),
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


@pytest.mark.parametrize("options", [{"tolerance": -1}, {"tolerance": math.nan}, {"batch_size": 0}])
def test_efforts_out_of_range(options):
    with pytest.raises(InputError, match="tolerance must be >= 0 and batch_size >= 1"):
        Effort(**options)


def test_effort_in_a_type_that_rounds_too_much():
    with pytest.raises(InputError, match=r"found torch\.float16"):
        Effort(dtype=torch.float16)
