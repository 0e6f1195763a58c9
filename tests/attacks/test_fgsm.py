import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import FGSM, InnerProblem
from ratlp.perturbations import LInf


def test_step_along_the_sign_of_the_gradient():
    net, x, y = nn.Linear(4, 3), torch.randn(6, 4), torch.randint(3, (6,))
    delta = FGSM()(InnerProblem(lambda point: cross_entropy(net(point), y), x, LInf(0.2)))
    x.requires_grad_()
    cross_entropy(net(x), y).backward()
    assert torch.equal(delta, 0.2 * x.grad.sign())


def test_no_parameter_gradient_is_touched_and_none_is_needed_outside():
    net, x = nn.Linear(4, 3), torch.randn(6, 4)
    with torch.no_grad():
        FGSM()(InnerProblem(lambda point: net(point).sum(), x, LInf(0.2)))
    assert net.weight.grad is None
    assert not x.requires_grad


def test_a_known_gradient_is_not_computed_again():
    def never(point):
        raise AssertionError("the loss was evaluated")

    problem = InnerProblem(never, torch.zeros(2), LInf(0.5), gradient=torch.tensor([1.0, -1.0]))
    assert FGSM()(problem).tolist() == [0.5, -0.5]
