"""A batch of which ever fewer samples are asked for."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from ratlp.errors import InputError
from ratlp.evaluation.spaces import InputSpace, LatentSpace, Part
from ratlp.latent import Cut


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(8, 3)
        self.position = nn.Parameter(torch.randn(1, 8))
        self.encoded = 0

    def forward(self, x):
        early = self.first(x)
        self.encoded += len(x)
        return self.head(self.second(early.relu()) + early + self.position)


@pytest.mark.parametrize("size", [20, 19, 15, 14, 6, 1])
def test_any_rows_of_a_latent(size):
    model, x = Residual().eval(), torch.rand(20, 6)
    space = LatentSpace(Cut(model, ["second"]), x)
    for _ in range(4):
        rows = torch.randperm(20)[:size].sort().values
        delta = torch.randn(size, 8, requires_grad=True)
        logits = space((delta,), rows)
        early = model.first(x[rows])
        expected = model.head(model.second(early.relu()) + delta + early + model.position)
        torch.testing.assert_close(logits, expected)
        (gradient,) = torch.autograd.grad(logits.square().sum(), delta)
        (wanted,) = torch.autograd.grad(expected.square().sum(), delta)
        torch.testing.assert_close(gradient, wanted)
    assert space.passes.forwards == space.passes.gradients == 4 * size


def test_shrinking_batches_are_encoded_a_few_times_only():
    model, x = Residual().eval(), torch.rand(64, 6)
    cut = Cut(model, ["second"])
    cut.encode(x)  # and rehearsed
    runs = []
    encode = cut.encode
    cut.encode = lambda inputs: runs.append(len(inputs)) or encode(inputs)
    space = LatentSpace(cut, x)
    for left in range(64, 0, -1):
        space((torch.zeros(left, 8),), torch.arange(left))
    assert runs[0] == 64
    assert all(later <= 0.75 * earlier for earlier, later in pairwise(runs))
    assert sum(runs) <= 64 / (1 - 0.75)


def test_rows_of_a_part_are_those_of_the_whole():
    model, x = nn.Linear(6, 3), torch.rand(20, 6)
    for space in (InputSpace(model, x), LatentSpace(Cut(nn.Sequential(nn.Identity(), model), ["0"]), x)):
        part = Part(space, torch.tensor([3, 5, 8]))
        torch.testing.assert_close(part((torch.ones(2, 6),), torch.tensor([0, 2])), model(x[[3, 8]] + 1))
        torch.testing.assert_close(part.points, x[[3, 5, 8]])


def test_a_latent_must_be_of_the_batch():
    class Flat(nn.Module):
        def __init__(self):
            super().__init__()
            self.mean, self.head = nn.Flatten(0), nn.Linear(6, 3)

        def forward(self, x):
            return self.head(self.mean(x).view(-1, 6))

    with pytest.raises(InputError, match=r"batch of the input, 5; found shape \(30,\): choose another layer"):
        LatentSpace(Cut(Flat(), ["mean"]), torch.rand(5, 6))
