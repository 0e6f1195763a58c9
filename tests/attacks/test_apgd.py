import math

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import APGD, PGD, ClassifierProblem, InnerProblem
from ratlp.attacks.apgd import _checkpoints
from ratlp.errors import InputError
from ratlp.losses import dlr, log_odds
from ratlp.perturbations import L2, LInf


class Started:
    """Begins where it is told."""

    def random(self, point):
        return self.project(self.eps * torch.sin(37 * point), point)


class StartedLInf(Started, LInf):
    pass


class StartedL2(Started, L2):
    pass


SETS = [StartedLInf(0.8), StartedL2(1.2), StartedLInf(0.8, bounds=(-1, 1)), StartedL2(1.2, bounds=(-1, 1))]


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 4)).double()


@pytest.fixture
def batch(net):
    x = torch.rand(20, 6).double() * 2 - 1
    return x, net(x).argmax(1)


def losses(net, x, y):
    return cross_entropy(net(x), y, reduction="none")


def problem_of(net, x, y, perturbation):
    return InnerProblem(lambda deltas: losses(net, x + deltas[0], y), [x], [perturbation])


def naive(net, x, y, set_, steps):
    """Algorithm 1 for one sample, `[1, features]`: lists, and a step size that is a number."""

    def value_and_gradient(d):
        leaf = d.clone().requires_grad_()
        value = losses(net, x + leaf, y).sum()
        return value.item(), torch.autograd.grad(value, leaf)[0]

    def clip(d):
        if isinstance(set_, LInf):
            d = d.clamp(-set_.eps, set_.eps)
        else:
            d = d * min(1.0, set_.eps / max(d.norm().item(), 1e-30))
        return d if set_.bounds is None else (x + d).clamp(*set_.bounds) - x

    def direction(g):
        return set_.eps * (g.sign() if isinstance(set_, LInf) else g / g.norm())

    share, before, marks = 0.22, 0.0, []
    while round(before + share, 9) <= 1:
        before = round(before + share, 9)
        marks.append(math.ceil(before * steps - 1e-9))
        share = max(share - 0.03, 0.06)
    d = previous = clip(set_.eps * torch.sin(37 * x))
    value, g = value_and_gradient(d)
    best, best_d, best_g = value, d, g
    eta, halved, best_then, last_mark = 2.0, True, value, 0
    values = [value]
    for k in range(1, steps + 1):
        z = clip(d + eta * direction(g))
        a = 1.0 if k == 1 else 0.75
        d, previous = clip(d + a * (z - d) + (1 - a) * (d - previous)), d
        value, g = value_and_gradient(d)
        values.append(value)
        if value > best:
            best, best_d, best_g = value, d, g
        if k in marks:
            rises = sum(values[i] > values[i - 1] for i in range(last_mark + 1, k + 1))
            stuck = not halved and best_then == best
            halved = rises <= 0.75 * (k - last_mark) or stuck
            if halved:
                eta, d, g = eta / 2, best_d, best_g
            best_then, last_mark = best, k
    return best_d


@pytest.mark.parametrize("perturbation", SETS, ids=repr)
@pytest.mark.parametrize("steps", [1, 100])
def test_equals_the_slow_one_sample_by_sample(net, batch, perturbation, steps):
    x, y = batch
    (delta,) = APGD(steps=steps)(problem_of(net, x, y, perturbation))
    expected = torch.cat([naive(net, x[i : i + 1], y[i : i + 1], perturbation, steps) for i in range(len(x))])
    assert torch.allclose(delta, expected, atol=1e-9)


def test_checkpoints_of_the_paper():
    assert list(_checkpoints(100)) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert _checkpoints(100)[41] == 19
    assert list(_checkpoints(1)) == [1]


def test_best_over_all_points_seen_and_their_number(net, batch):
    x, y = batch
    seen = []

    def recorded(deltas):
        found = losses(net, x + deltas[0], y)
        seen.append(found.detach())
        return found

    (delta,) = APGD(steps=7, restarts=3)(InnerProblem(recorded, [x], [LInf(0.5)]))
    assert len(seen) == 3 * (7 + 1)
    assert torch.allclose(losses(net, x + delta, y), torch.stack(seen).amax(0))


def test_finds_the_corner_that_is_the_maximum_of_a_convex_loss():
    head, x = nn.Linear(5, 2).double(), torch.randn(30, 5).double()
    y = torch.randint(2, (30,))
    (delta,) = APGD(steps=30)(problem_of(head, x, y, LInf(0.3)))
    corners = 0.3 * (2.0 * torch.cartesian_prod(*[torch.arange(2)] * 5) - 1).double()
    best = torch.stack([losses(head, x + corner, y) for corner in corners]).amax(0)
    assert torch.allclose(losses(head, x + delta, y), best)


def test_as_strong_as_many_plain_steps(net, batch):
    x, y = batch
    (adaptive,) = APGD(steps=50)(problem_of(net, x, y, LInf(0.5)))
    (plain,) = PGD(steps=50)(problem_of(net, x, y, LInf(0.5)))
    assert losses(net, x + adaptive, y).mean() >= losses(net, x + plain, y).mean() - 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "steps and restarts must be >= 1; found 0 and 1"),
        ({"restarts": 0}, "found 100 and 0"),
        ({"rho": -0.1}, r"rho must be in \[0, 1\]; found -0.1"),
        ({"rho": math.nan}, r"rho must be in \[0, 1\]; found nan"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(InputError, match=message):
        APGD(**options)


def test_repr():
    assert repr(APGD()) == "APGD(steps=100)"
    assert repr(APGD(steps=5, restarts=2, rho=0.5)) == "APGD(steps=5, restarts=2, rho=0.5)"


@pytest.fixture(scope="module")
def trained():
    """A net with two bent boundaries, and points near them."""
    torch.manual_seed(0)
    x = torch.rand(600, 2, 1, 1)
    y = (x[:, 0, 0, 0] + 0.2 * torch.sin(12 * x[:, 1, 0, 0]) > 0.5).long() + (x[:, 1, 0, 0] > 0.7).long()
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 3))
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(300):
        optimiser.zero_grad()
        cross_entropy(net(x), y).backward()
        optimiser.step()
    right = net(x).argmax(1) == y
    return net, x[right], y[right]


@pytest.mark.filterwarnings("ignore:there are .* points with zero gradient")
@pytest.mark.parametrize(("norm", "ball"), [("Linf", LInf), ("L2", L2)])
@pytest.mark.parametrize("steps", [10, 50])
@pytest.mark.parametrize(("name", "loss", "allowed"), [("ce", log_odds, 0.0), ("dlr", dlr, 0.5)])
def test_decides_as_the_authors_own_code_does_from_the_same_start(trained, norm, ball, steps, name, loss, allowed):
    """In % of samples that one breaks and the other does not.

    At its first checkpoint the authors' code compares the first loss with 0, not with the loss at the start. A
    cross-entropy is above 0, a DLR mostly below, so that with DLR step sizes may be halved earlier.
    """
    reference = pytest.importorskip("pyautoattack.autopgd_base")
    net, x, y = trained
    eps = 0.04
    theirs = reference.APGDAttack(net, n_iter=steps, norm=norm, eps=eps, loss=name, device="cpu", seed=3)
    broken = net(theirs.perturb(x.clone(), y.clone())).argmax(1) != y
    assert 0.1 < broken.float().mean() < 0.9

    torch.manual_seed(3)
    drawn = 2 * torch.rand(x.shape) - 1 if norm == "Linf" else torch.randn(x.shape)

    class SameStart(ball):
        def random(self, point):
            return self.project(self.eps * theirs.normalize(drawn), point)

    problem = ClassifierProblem(
        lambda deltas, rows: net(x[rows] + deltas[0]), y, [x], [SameStart(eps, bounds=(0, 1))], loss=loss
    )
    problem.attacked_by(APGD(steps=steps))
    assert 100 * (problem.misclassified != broken).float().mean() <= allowed
