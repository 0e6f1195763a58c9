"""Samples that depend on each other have no linear bounds."""

import pytest
import torch
from torch import nn
from utils.linear_soundness import assert_sound

from ratlp.bounds import Interval, linear_bounds
from ratlp.bounds.linear.probes import unknown_samples
from ratlp.errors import BoundError

COUPLED = {
    "the last one": lambda x: x - x[-1:],
    "the first one": lambda x: x - x[:1],
    "the next one": lambda x: x - torch.cat([x[1:], x[-1:]]),
    "the mean": lambda x: x - x.mean(0),
    "a running sum": lambda x: x.cumsum(0),
    "others' places": lambda x: x[[0, 2, 1, *range(3, len(x))]],
    "turned": lambda x: x.flip(0),
    "moved by two": lambda x: torch.relu(x).roll(2, 0),
    "another axis": lambda x: x.T.reshape(x.shape),
}


@pytest.mark.parametrize("batch", [3, 5, 40])
@pytest.mark.parametrize("name", COUPLED)
def test_samples_that_depend_on_each_other_are_refused(name, batch):
    x = torch.rand(batch, 4)
    with pytest.raises(BoundError, match="need the samples of a batch apart"):
        linear_bounds(COUPLED[name], Interval(x, x + 0.1))


def seen(batch):
    """For each pair of samples, whether the first is unknown in a probe in which the other is known."""
    unknown = unknown_samples(batch).double()
    return unknown.T @ (1 - unknown) > 0


@pytest.mark.parametrize("batch", range(1, 7))
def test_every_pair_is_seen_in_small_batches(batch):
    assert torch.equal(seen(batch), ~torch.eye(batch, dtype=torch.bool))


@pytest.mark.parametrize("batch", [7, 64, 256])
def test_most_pairs_are_seen_in_large_ones(batch):
    assert seen(batch).double().mean() > 0.8


class EachStep(nn.Module):
    """The same layers at every step of a sequence, whose first axis they make one with the batch's."""

    def __init__(self, steps):
        super().__init__()
        self.inner, self.outer, self.head = nn.Linear(4, 8), nn.Linear(8, 3), nn.Linear(3 * steps, 2)

    def forward(self, x):
        batch, steps, features = x.shape
        each = self.outer(self.inner(x.reshape(batch * steps, features)).relu()).relu()
        return self.head(each.reshape(batch, -1).tanh())


@pytest.mark.parametrize(("batch", "steps"), [(1, 5), (3, 1), (3, 2), (2, 2)])
def test_the_batch_may_be_one_axis_with_another(batch, steps):
    torch.manual_seed(0)
    x = torch.rand(batch, steps, 4).double()
    assert_sound(EachStep(steps).double(), Interval(x, x + 0.3), count=100)


def test_an_axis_of_one_before_that_of_the_batch():
    torch.manual_seed(0)
    first, last, x = nn.Linear(4, 8).double(), nn.Linear(8, 3).double(), torch.rand(6, 4).double()
    assert_sound(lambda x: last(first(x).unsqueeze(0).squeeze(0).relu()), Interval(x, x + 0.3), count=100)
    with pytest.raises(BoundError, match="found 6 samples elsewhere in a layer that has a bias or is not linear"):
        linear_bounds(lambda x: last(first(x.unsqueeze(0)).relu()).squeeze(0), Interval(x, x + 0.3))


def test_tensors_without_elements():
    x = torch.rand(3, 2)
    found = linear_bounds(lambda x: torch.cat([x[:, :0], 2 * x], 1), Interval(x, x + 0.1))
    torch.testing.assert_close(found.upper, 2 * x + 0.2)
