import pytest
import torch
from torch import nn

from ratlp import RATLP
from ratlp.errors import InputError
from ratlp.losses.targets import check_targets

LOGITS = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("logits", "y", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64), r"batch of 1 or more; found shape \(0, 3\)"),
        (torch.zeros(4), torch.zeros(4, dtype=torch.int64), r"found shape \(4,\)"),
        (LOGITS, [0, 1, 2, 0], "must be a tensor; found list"),
        (LOGITS, torch.tensor([0.0, 1.0, 2.0, 0.0]), r"must be int64 of shape \(4,\).*found torch.float32"),
        (LOGITS, torch.tensor([0, 1, 2]), r"found torch.int64 of shape \(3,\)"),
        (LOGITS, torch.tensor([0, 1, 3, 0]), r"must be in 0\.\.2, as there are 3 logits; found 0\.\.3"),
        (LOGITS, torch.tensor([0, -1, 2, 0]), r"found -1\.\.2"),
    ],
)
def test_labels_that_do_not_fit(logits, y, message):
    with pytest.raises(InputError, match=message):
        check_targets(logits, y)


@pytest.mark.parametrize("y", [torch.tensor([0, 1, 2, -100]), torch.full((4,), -100), torch.ones(4, 3) / 3])
def test_ignored_labels_and_probabilities_pass(y):
    check_targets(LOGITS, y)


def test_positions():
    check_targets(torch.zeros(2, 3, 5, 5), torch.zeros(2, 5, 5, dtype=torch.int64))


def test_the_objective_checks():
    objective = RATLP(nn.Sequential(nn.Linear(2, 4), nn.Linear(4, 3)), layer="0", eps=0.1)
    with pytest.raises(InputError, match=r"found 7\.\.7"):
        objective(torch.randn(4, 2), torch.full((4,), 7))
