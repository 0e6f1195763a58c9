"""The numbers are those of other tools at equal settings: within half a point on a thousand digits."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import APGD, FGSM, PGD, InnerProblem, Targeted
from ratlp.data import Digits
from ratlp.evaluation import Attack, AutoAttack, evaluate, standard_attacks
from ratlp.losses import dlr, log_odds, margin
from ratlp.perturbations import LInf, perturbation_set

pytestmark = pytest.mark.slow
HALF_A_POINT = 0.005
BUDGETS = {("standard", "linf"): 0.05, ("standard", "l2"): 0.4, ("robust", "linf"): 0.1, ("robust", "l2"): 0.5}


def trained(x, y, *, eps):
    """A net of 64 features, on perturbed digits where eps > 0; as images, which the other tools want."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(40):
        for rows in torch.randperm(len(x)).split(64):
            points, labels = x[rows], y[rows]

            def losses(deltas, points=points, labels=labels):
                return cross_entropy(net(points + deltas[0]), labels, reduction="none")

            if eps:
                points = points + FGSM()(InnerProblem(losses, [points], [LInf(eps, bounds=(0, 1))]))[0]
            optimiser.zero_grad()
            cross_entropy(net(points), labels).backward()
            optimiser.step()
    return net.eval()


@pytest.fixture(scope="module")
def digits():
    split = Digits().draw(seed=0)
    x, y = torch.cat([split.x_train, split.x_test]), torch.cat([split.y_train, split.y_test])
    x = x.view(-1, 1, 8, 8)
    return (x[:797], y[:797]), (x[797:], y[797:])


@pytest.fixture(scope="module")
def nets(digits):
    return {"standard": trained(*digits[0], eps=0), "robust": trained(*digits[0], eps=0.1)}


def by_foolbox(net, x, y, norm, eps, *, steps, restarts):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its dependencies
        foolbox = pytest.importorskip("foolbox", exc_type=ImportError)
        kind = "Linf" if norm == "linf" else "L2"
        attack = getattr(foolbox.attacks, f"{kind}ProjectedGradientDescentAttack")(
            rel_stepsize=2.5 / steps, steps=steps
        )
        model = foolbox.PyTorchModel(net, bounds=(0, 1))
        broken = attack.repeat(restarts)(model, x, y, epsilons=eps)[2]
    return 1 - broken.float().mean().item()


def softmax_cross_entropy(logits, y):
    return cross_entropy(logits, y, reduction="none")


@pytest.mark.parametrize(("kind", "norm"), BUDGETS)
def test_pgd_is_that_of_foolbox(digits, nets, kind, norm):
    (x, y), net, eps = digits[1], nets[kind], BUDGETS[kind, norm]
    theirs = by_foolbox(net, x, y, norm, eps, steps=50, restarts=5)
    set_, pgd = perturbation_set(norm, eps, bounds=(0, 1)), PGD(steps=50, restarts=5)
    attacks = [Attack("same loss", pgd, set_, softmax_cross_entropy), Attack("unsaturated", pgd, set_, log_odds)]
    same, unsaturated = (attack.robust.share for attack in evaluate(net, x, y, attacks).attacks)
    assert 0.3 < theirs < 0.9
    # Never above; somewhat below, as foolbox judges the last point of each climb, and here every point counts
    assert theirs - 2 * HALF_A_POINT <= same <= theirs + HALF_A_POINT
    assert unsaturated <= theirs + HALF_A_POINT


@pytest.mark.parametrize(("kind", "norm"), BUDGETS)
def test_apgd_is_that_of_its_authors(digits, nets, kind, norm):
    code = pytest.importorskip("pyautoattack.autopgd_base")
    (x, y), net, eps = digits[1], nets[kind], BUDGETS[kind, norm]
    options = {"n_iter": 50, "norm": "Linf" if norm == "linf" else "L2", "eps": eps, "device": "cpu", "seed": 0}
    theirs = {
        "ce": code.APGDAttack(net, loss="ce", **options),
        "dlr": code.APGDAttack(net, loss="dlr", **options),
        "t": code.APGDAttack_targeted(net, **options),
    }
    set_ = perturbation_set(norm, eps, bounds=(0, 1))
    ours = [
        Attack("ce", APGD(steps=50), set_, log_odds),
        Attack("dlr", APGD(steps=50), set_, dlr),
        Attack("t", Targeted(APGD(steps=50)), set_, margin),
    ]
    evaluation = evaluate(net, x, y, ours)
    for result in evaluation.attacks:
        with torch.enable_grad():
            adversarial = theirs[result.name].perturb(x.clone(), y.clone())
        accuracy = (net(adversarial).argmax(1) == y).float().mean().item()
        assert 0.3 < accuracy < 0.9
        assert abs(result.robust.share - accuracy) <= HALF_A_POINT, result.name


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_worst_case_is_that_of_autoattack(digits, nets, norm):
    pytest.importorskip("pyautoattack")
    (x, y), net, eps = digits[1], nets["robust"], BUDGETS["robust", norm]
    x, y = x[:100], y[:100]
    set_ = perturbation_set(norm, eps, bounds=(0, 1))
    ours = [attack for attack in standard_attacks(set_) if attack.name != "square"]
    theirs = evaluate(net, x, y, [Attack("autoattack", AutoAttack(), set_)])
    assert evaluate(net, x, y, ours, cascade=True).worst_case.share <= theirs.worst_case.share + HALF_A_POINT
