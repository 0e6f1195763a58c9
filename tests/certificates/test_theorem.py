import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from ratlp.bounds import linf_norm
from ratlp.bounds.lipschitz import spectral_norm
from ratlp.certificates import CROSS_ENTROPY_LIPSCHITZ, loss_increase_bound
from ratlp.errors import InputError


@pytest.mark.parametrize(("norm", "dual"), [("linf", 1), ("l2", 2)])
def test_the_constant_of_cross_entropy_is_reached_and_never_exceeded(norm, dual):
    logits = 5 * torch.randn(10_000, 3).double()
    y = torch.randint(3, (10_000,))
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(logits, y, reduction="sum"), logits)
    slope = torch.linalg.vector_norm(gradient, dual, dim=1)
    assert slope.max() <= CROSS_ENTROPY_LIPSCHITZ[norm] + 1e-12
    assert slope.max() > 0.999 * CROSS_ENTROPY_LIPSCHITZ[norm]


def test_bound():
    assert loss_increase_bound(lipschitz=3.0, eps=0.5) == 3.0
    assert loss_increase_bound(lipschitz=3.0, eps=0.5, norm="l2") == 1.5 * math.sqrt(2)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_perturbation_raises_the_loss_by_more(norm):
    weight, z, y = torch.randn(4, 6).double(), 3 * torch.randn(500, 6).double(), torch.randint(4, (500,))
    lipschitz = float(linf_norm(weight)) if norm == "linf" else spectral_norm(weight)
    clean = cross_entropy(z @ weight.T, y, reduction="none")
    largest = torch.zeros(())
    for j in range(4):
        towards = weight[j] - weight[y]
        step = towards.sign() if norm == "linf" else torch.nn.functional.normalize(towards, dim=1)
        rise = cross_entropy((z + 0.3 * step) @ weight.T, y, reduction="none") - clean
        largest = torch.maximum(largest, rise.max())
    bound = loss_increase_bound(lipschitz=lipschitz, eps=0.3, norm=norm)
    assert 0.3 * bound < largest <= bound


@pytest.mark.parametrize("arguments", [{"lipschitz": -1.0, "eps": 0.1}, {"lipschitz": 1.0, "eps": math.nan}])
def test_numbers_out_of_range(arguments):
    with pytest.raises(InputError, match="must be >= 0"):
        loss_increase_bound(**arguments)


def test_an_unknown_norm():
    with pytest.raises(InputError, match="found 'l1'"):
        loss_increase_bound(lipschitz=1.0, eps=0.1, norm="l1")
