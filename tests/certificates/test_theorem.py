import torch
from torch.nn.functional import cross_entropy

from ratlp.certificates import CROSS_ENTROPY_LIPSCHITZ, loss_increase_bound


def test_cross_entropy_is_2_lipschitz_and_no_less_in_the_logits():
    logits = 5 * torch.randn(10_000, 3).double()
    y = torch.randint(3, (10_000,))
    logits.requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(logits, y, reduction="sum"), logits)
    slope = gradient.abs().sum(1)
    assert slope.max() <= CROSS_ENTROPY_LIPSCHITZ + 1e-12
    assert slope.max() > 0.999 * CROSS_ENTROPY_LIPSCHITZ


def test_bound():
    assert loss_increase_bound(lipschitz=3.0, eps=0.5) == 3.0
