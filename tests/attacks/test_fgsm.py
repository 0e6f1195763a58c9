import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, InnerProblem
from ratlp.perturbations import LInf


def problem_of(net, x, y, eps):
    return InnerProblem(lambda deltas: cross_entropy(net(x + deltas[0]), y, reduction="none"), [x], [LInf(eps)])


def test_step_along_the_sign_of_the_gradient():
    net, x, y = nn.Linear(4, 3), torch.randn(6, 4), torch.randint(3, (6,))
    (delta,) = FGSM()(problem_of(net, x, y, 0.2))
    x.requires_grad_()
    cross_entropy(net(x), y).backward()
    assert torch.equal(delta, 0.2 * x.grad.sign())


def test_no_parameter_gradient_is_touched_and_none_is_needed_outside():
    net, x = nn.Linear(4, 3), torch.randn(6, 4)
    with torch.no_grad():
        FGSM()(problem_of(net, x, torch.zeros(6, dtype=torch.int64), 0.2))
    assert net.weight.grad is None
    assert not x.requires_grad


def test_a_known_gradient_is_not_computed_again():
    def never(deltas):
        raise AssertionError("the loss was evaluated")

    known = [torch.tensor([[1.0, -1.0]])]
    problem = InnerProblem(never, [torch.zeros(1, 2)], [LInf(0.5)], gradients=known)
    assert FGSM()(problem)[0].tolist() == [[0.5, -0.5]]
