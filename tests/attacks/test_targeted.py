import pytest
import torch
from torch import nn

from ratlp.attacks import APGD, FGSM, ClassifierProblem, InnerProblem, Maximiser, Square, Targeted
from ratlp.errors import InputError
from ratlp.losses import log_odds
from ratlp.perturbations import LInf


class Spy(Maximiser):
    """Stays, and notes towards which classes it was sent."""

    starts_at_zero = False

    def __init__(self):
        self.targets = []

    def __call__(self, problem):
        self.targets.append(problem._labels[1])
        return problem.zeros()


def problem_of(net, x, y, eps):
    return ClassifierProblem(lambda deltas, rows: net(x[rows] + deltas[0]), y, [x], [LInf(eps)])


@pytest.mark.parametrize(("classes", "asked", "expected"), [(6, 9, 5), (6, 2, 2), (2, 9, 1), (3, 9, 2), (12, 9, 9)])
def test_runs_to_the_likeliest_wrong_classes_in_their_order(classes, asked, expected):
    net, x = nn.Linear(4, classes), torch.randn(20, 4)
    logits = net(x)
    y, spy = logits.argmax(1), Spy()
    problem_of(net, x, y, 0.1).attacked_by(Targeted(spy, classes=asked))
    assert torch.equal(torch.stack(spy.targets, 1), logits.argsort(1, descending=True)[:, 1 : 1 + expected])


@pytest.mark.parametrize("classes", [2, 3, 4, 7])
def test_breaks_a_linear_net_wherever_that_can_be_done(classes):
    """The worst-case margin of a linear net in the L-inf ball has a closed form."""
    net, x = nn.Linear(5, classes).double(), torch.randn(80, 5).double()
    logits = net(x).detach()
    y = logits.argmax(1)
    ways = (net.weight[None] - net.weight[y][:, None]).abs().sum(2)
    worst = logits - logits.gather(1, y[:, None]) + 0.1 * ways
    breakable = (worst.scatter(1, y[:, None], -1) > 0).any(1).detach()
    problem = problem_of(net, x, y, 0.1)
    problem.attacked_by(Targeted(APGD(steps=10)))
    assert 0 < breakable.sum() < 80
    assert torch.equal(problem.misclassified, breakable)


def lead(logits, y, target):
    return logits.gather(1, target[:, None])[:, 0] - logits.gather(1, y[:, None])[:, 0]


def test_returns_the_highest_of_the_problems_own_loss():
    net, x = nn.Linear(5, 4).double(), torch.randn(30, 5).double()
    y = net(x).argmax(1)
    (delta,) = problem_of(net, x, y, 1e-3).attacked_by(Targeted(FGSM(), loss=lead))
    best = torch.full((30,), -torch.inf).double()
    for other in range(4):
        sign = (net.weight[other][None] - net.weight[y]).sign()
        found = log_odds(net(x + 1e-3 * sign), y).detach()
        best = torch.where(y == other, best, torch.maximum(best, found))
    assert torch.allclose(log_odds(net(x + delta), y), best)


@pytest.mark.parametrize(
    ("inner", "gradients", "single", "iterative"),
    [(APGD(), True, False, True), (FGSM(), True, True, False), (Square(), False, False, False)],
)
def test_is_of_the_kind_of_what_it_runs(inner, gradients, single, iterative):
    for attack in (inner, Targeted(Targeted(inner))):
        assert (attack.takes_gradients, attack.single_step, attack.iterative) == (gradients, single, iterative)


def test_needs_logits():
    problem = InnerProblem(lambda deltas: deltas[0].sum(1), [torch.zeros(2, 3)], [LInf(0.1)])
    with pytest.raises(InputError, match="needs a ClassifierProblem; found InnerProblem"):
        Targeted(APGD())(problem)


def test_at_least_one_class():
    with pytest.raises(InputError, match="classes must be >= 1; found 0"):
        Targeted(APGD(), classes=0)


def test_repr():
    assert repr(Targeted(APGD(steps=5))) == "Targeted(APGD(steps=5), loss=targeted_dlr, classes=9)"
