import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import APGD, FGSM, PGD, ClassifierProblem, InnerProblem, Noise, Square, Targeted
from ratlp.errors import InputError
from ratlp.latent import Cut
from ratlp.losses import dlr, log_odds, margin
from ratlp.perturbations import L2, LInf


@pytest.fixture
def net():
    return nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 5)).double()


@pytest.fixture
def x():
    return torch.randn(60, 6).double()


@pytest.fixture
def y(net, x):
    """The net's own answers, but for a tenth of them."""
    return torch.where(torch.arange(60) % 10 == 0, (net(x).argmax(1) + 1) % 5, net(x).argmax(1))


def problem_of(net, x, y, perturbation, **options):
    return ClassifierProblem(lambda deltas, rows: net(x[rows] + deltas[0]), y, [x], [perturbation], **options)


def right(net, x, y):
    return net(x).argmax(1) == y


MAXIMISERS = [FGSM(), PGD(steps=8, restarts=2), APGD(steps=9, restarts=2), Square(queries=20), Noise(draws=5)]
MAXIMISERS += [Targeted(APGD(steps=5)), Targeted(FGSM())]


@pytest.mark.parametrize("maximiser", MAXIMISERS, ids=repr)
@pytest.mark.parametrize("perturbation", [LInf(0.2), L2(0.4)], ids=repr)
def test_what_it_says_is_misclassified_is(maximiser, perturbation, net, x, y):
    problem = problem_of(net, x, y, perturbation)
    (delta,) = problem.attacked_by(maximiser)
    assert torch.equal(problem.misclassified, ~right(net, x + delta, y))
    assert 6 < problem.misclassified.sum() < 60
    assert torch.allclose(perturbation.project(delta, x), delta, atol=1e-12)
    assert not delta[::10].any()  # wrong without an attack


@pytest.mark.parametrize("maximiser", MAXIMISERS[:4], ids=repr)
def test_no_sample_is_evaluated_again_once_misclassified(maximiser, net, x, y):
    done = torch.zeros(60, dtype=torch.bool)

    def logits_at(deltas, rows):
        assert not done[rows].any()
        logits = net(x[rows] + deltas[0])
        done[rows] |= logits.detach().argmax(1) != y[rows]
        return logits

    problem = ClassifierProblem(logits_at, y, [x], [LInf(0.3)])
    problem.attacked_by(maximiser)
    problem.climbing(dlr).attacked_by(maximiser, seed=1)
    assert torch.equal(problem.misclassified, done)


def test_a_maximiser_that_breaks_all_stops(net, x, y):
    calls = []

    def logits_at(deltas, rows):
        calls.append(len(rows))
        return net(x[rows] + deltas[0])

    for maximiser in (PGD(steps=500), APGD(steps=500), Square(queries=500), Noise(draws=500)):
        calls.clear()
        problem = ClassifierProblem(logits_at, y, [x], [LInf(50.0)])
        problem.attacked_by(maximiser)
        assert problem.finished
        assert len(calls) < 300
        assert 0 not in calls
        assert problem.losses_and_gradients(problem.zeros())[1][0].count_nonzero() == 0


def test_samples_climb_as_they_would_without_being_let_go(net, x, y):
    """What is left of a batch ends where a plain attack on all of it ends."""
    problem = problem_of(net, x, y, LInf(0.1))
    (delta,) = problem.attacked_by(APGD(steps=20), seed=5)
    torch.manual_seed(5)
    (plain,) = APGD(steps=20)(InnerProblem(lambda d: log_odds(net(x + d[0]), y), [x], [LInf(0.1)]))
    left = ~problem.misclassified
    assert 5 < left.sum() < 55
    assert torch.allclose(delta[left], plain[left], atol=1e-12)


def test_a_point_of_lower_loss_that_is_misclassified_beats_one_of_higher_loss_that_is_not():
    points = {0.0: [1.0, 0.0, 0.0], 1.0: [1.0, 0.95, 0.95], 2.0: [1.0, 1.1, -5.0]}
    x, steps = torch.zeros(1, 1), iter([0.0, 2.0, 1.0])

    class Walk(Noise):
        def __call__(self, problem):
            for step in steps:
                last = (torch.tensor([[step]]),)
                problem.losses(last)
            return last

    problem = ClassifierProblem(
        lambda d, rows: torch.tensor([points[float(v)] for v in d[0]]), torch.tensor([0]), [x], [LInf(2.0)]
    )
    (delta,) = problem.attacked_by(Walk(draws=1))
    assert delta.item() == 2.0


def test_attacks_that_share_a_problem_add_up(net, x, y):
    problem = problem_of(net, x, y, LInf(0.15))
    broken = []
    for attack, loss in [(FGSM(), log_odds), (APGD(steps=20), dlr), (Targeted(APGD(steps=20)), margin)]:
        further = problem.climbing(loss)
        (delta,) = further.attacked_by(attack)
        broken.append(problem.misclassified)
        assert torch.equal(right(net, x + delta, y), ~problem.misclassified)
    assert (broken[0] <= broken[1]).all()
    assert (broken[1] <= broken[2]).all()
    assert broken[0].sum() < broken[2].sum()


def test_reproducible_from_a_seed_that_leaves_the_callers_random_state(net, x, y):
    for maximiser in (PGD(steps=3), Noise(draws=2), Square(queries=5)):
        torch.manual_seed(11)
        before = torch.get_rng_state()
        first = problem_of(net, x, y, LInf(0.1)).attacked_by(maximiser, seed=1)[0]
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(12)
        assert torch.equal(problem_of(net, x, y, LInf(0.1)).attacked_by(maximiser, seed=1)[0], first)
        if not isinstance(maximiser, Square):
            assert not torch.equal(problem_of(net, x, y, LInf(0.1)).attacked_by(maximiser, seed=2)[0], first)


def test_the_random_state_comes_back_when_the_model_raises(x, y):
    def broken(deltas, rows):
        torch.rand(1)
        raise RuntimeError("no logits")

    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="no logits"):
        ClassifierProblem(broken, y, [x], [LInf(0.1)]).attacked_by(FGSM())
    assert torch.equal(torch.get_rng_state(), before)


def test_no_parameters_gradient_is_touched_under_no_grad(net, x, y):
    with torch.no_grad():
        problem_of(net, x, y, LInf(0.1)).attacked_by(APGD(steps=3))
    assert all(p.grad is None for p in net.parameters())
    assert not x.requires_grad


def test_a_latent_by_replay(x):
    net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 5)).double()
    y = net(x).argmax(1)
    cut = Cut(net, ("1",))
    with torch.no_grad():
        recording = cut.encode(x)

    def logits_at(deltas, rows):
        rest = recording.map(lambda tensor: tensor[rows] if tensor.shape[:1] == (60,) else tensor)
        return cut.replay(rest.with_latent(recording.latent[rows] + deltas[0]))

    problem = ClassifierProblem(logits_at, y, [recording.latent.detach()], [LInf(0.1)])
    (delta,) = problem.attacked_by(APGD(steps=10))
    assert 0 < problem.misclassified.sum() < 60
    assert torch.equal(problem.misclassified, ~right(net[2:], net[:2](x) + delta, y))


def test_a_batch_of_one(net, x, y):
    for maximiser in MAXIMISERS:
        (delta,) = problem_of(net, x[1:2], y[1:2], LInf(0.3)).attacked_by(maximiser)
        assert delta.shape == (1, 6)


def test_a_loss_must_tell_samples_apart(net, x, y):
    problem = problem_of(net, x, y, LInf(0.1), loss=cross_entropy)
    with pytest.raises(InputError, match=r"one value for each of 60 samples; found shape \(\)"):
        problem.attacked_by(FGSM())
