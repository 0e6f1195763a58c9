import pytest
import torch

from ratlp.attacks import InnerProblem, Noise
from ratlp.errors import InputError
from ratlp.perturbations import LInf


def test_returns_the_best_it_drew():
    tried, x = [], torch.zeros(5, 3)

    def losses_at(deltas):
        tried.append(deltas[0])
        return deltas[0].sum(1)

    (delta,) = Noise(draws=7)(InnerProblem(losses_at, [x], [LInf(0.1)]))
    assert len(tried) == 7
    assert torch.equal(delta.sum(1), torch.stack(tried).sum(2).amax(0))


def test_at_least_one_draw():
    with pytest.raises(InputError, match="draws must be >= 1; found 0"):
        Noise(draws=0)


def test_repr():
    assert repr(Noise(draws=3)) == "Noise(draws=3)"
