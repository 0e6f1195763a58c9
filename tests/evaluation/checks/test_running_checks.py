import threading
from dataclasses import replace

import pytest
import torch
from torch import nn

from ratlp.attacks import FGSM, PGD, Maximiser, Noise, Square, Targeted
from ratlp.errors import InputError
from ratlp.evaluation import Attack, Check, quick_attacks
from ratlp.evaluation.checks import Case, Measured, SelfCheck, run_checks, self_checks, trusted, warning
from ratlp.evaluation.checks.outcome import NotRun
from ratlp.evaluation.checks.vary import longer, scaled
from ratlp.perturbations import L2, Box, LInf


def setting(n=40):
    net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, 3))
    with torch.no_grad():
        net[4].weight.mul_(5)
    x = torch.rand(n, 4)
    net.eval()
    y = net(x).argmax(1)
    return net, x, y


def ran(model, x, y, attacks, names):
    return run_checks(model, x, y, attacks, checks=[check for check in self_checks() if check.name in names])


def test_the_model_and_the_random_state_are_as_before():
    net, x, y = setting()
    net.train()
    net[3].eval()
    net[0].weight.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    modes, state = [module.training for module in net.modules()], torch.get_rng_state()
    run_checks(net, x, y, quick_attacks(LInf(0.05, bounds=(0, 1))))
    assert modes == [module.training for module in net.modules()]
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    assert all(parameter.grad is None for parameter in net.parameters())
    assert [p.requires_grad for p in net.parameters()] == [False] + [True] * 5
    assert torch.equal(state, torch.get_rng_state())


def test_also_when_the_model_raises():
    class Fragile(nn.Linear):
        calls = 0

        def forward(self, x):
            type(self).calls += 1
            if self.calls > 12:
                raise ZeroDivisionError
            return super().forward(x)

    net, x = Fragile(4, 3), torch.rand(20, 4)
    y, state = net(x).argmax(1), torch.get_rng_state()
    with pytest.raises(ZeroDivisionError):
        run_checks(net, x, y, quick_attacks(LInf(0.05)))
    assert net.training
    assert net.weight.requires_grad
    assert torch.equal(state, torch.get_rng_state())


def test_a_surrogate_is_left_as_it_was():
    net, x, y = setting()
    other = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))
    transfer = [check for check in self_checks(surrogate=other) if check.name == "transfer"]
    run_checks(net, x, y, quick_attacks(LInf(0.01)), checks=transfer)
    assert other.training
    assert other[0].weight.requires_grad
    assert other[0].weight.grad is None


def test_a_surrogate_with_other_classes_is_refused():
    net, x, y = setting()
    transfer = [check for check in self_checks(surrogate=nn.Linear(4, 2)) if check.name == "transfer"]
    with pytest.raises(InputError, match="the model's 3 classes; found 2"):
        run_checks(net, x, y, quick_attacks(LInf(0.001)), checks=transfer)


def test_the_same_seed_gives_the_same_figures():
    net, x, y = setting()
    attacks = quick_attacks(LInf(0.2))
    first = run_checks(net, x, y, attacks, seed=3)
    torch.rand(7)
    assert first == run_checks(net, x, y, attacks, seed=3)


def test_several_places_are_told_apart_and_the_model_is_checked_once():
    net, x, y = setting()
    attacks = [Attack("a", PGD(steps=3), LInf(0.1)), Attack("b", PGD(steps=3), L2(0.1), layer="2")]
    names = [check.name for check in ran(net, x, y, attacks, {"softmax outputs", "converged", "scale escape"})]
    assert names == [
        "softmax outputs",
        "converged: LInf(0.1) at 'input'",
        "converged: L2(0.1) at '2'",
        "scale escape: L2(0.1) at '2'",
    ]


def test_the_first_iterative_attack_is_varied():
    net, x, y = setting()
    attacks = quick_attacks(LInf(0.1))
    assert Case(net, x, y, attacks).primary.name == "pgd"
    assert Case(net, x, y, attacks[:1]).primary.name == "fgsm"
    with pytest.raises(NotRun, match="none of the attacks takes gradients"):
        _ = Case(net, x, y, attacks[-1:]).primary


class Guess(Maximiser):
    """A random search of one's own."""

    starts_at_zero = False
    takes_gradients = False

    def __call__(self, problem):
        return problem.random()

    def __repr__(self):
        return "Guess()"


@pytest.mark.parametrize("blind", [Guess(), Square(queries=2), Noise(draws=2), Targeted(Square(queries=2))], ids=repr)
def test_what_sees_losses_alone_is_no_white_box(blind):
    net, x, y = setting()
    step = Attack("step", Targeted(FGSM()), LInf(0.1))
    others = [replace(step, name="guess", maximiser=blind), step]
    with pytest.raises(NotRun, match="none of the attacks takes gradients"):
        _ = Case(net, x, y, others[:1]).primary
    case = Case(net, x, y, others)
    assert case.primary is step
    assert case.iterative is None
    climbing = Case(net, x, y, [*others, replace(step, name="pgd", maximiser=Targeted(PGD(steps=2)))])
    assert climbing.primary.name == "pgd"


def test_the_white_box_is_the_union_of_the_attacks_with_gradients():
    net, x, y = setting()
    case = Case(net.eval(), x, y, quick_attacks(LInf(0.1)))
    each = [case.broken(attack) for attack in case.attacks if not isinstance(attack.maximiser, Square | Noise)]
    assert torch.equal(case.white_box, torch.stack(each).any(0))
    assert torch.equal(case.iterative, torch.stack(each[1:]).any(0))
    assert 0 < case.white_box.sum() < case.n


def test_broken_leaves_out_those_that_are_not_asked_for():
    net, x, y = setting()
    case = Case(net.eval(), x, y, quick_attacks(LInf(0.3)))
    whole, even = case.broken(case.primary), torch.arange(case.n) % 2 == 0
    assert not case.broken(case.primary, even)[~even].any()
    assert whole[even].any()
    assert not case.broken(case.primary, torch.zeros_like(even)).any()


def test_samples_classified_wrongly_are_left_out():
    net, x, y = setting()
    y[::4] = (y[::4] + 1) % 3
    case = Case(net.eval(), x, y, quick_attacks(LInf(0.1)))
    assert case.n == 30
    assert case.broken(case.primary).shape == (30,)


def test_with_nothing_classified_rightly_attacks_are_not_checked():
    net, x, y = setting()
    results = run_checks(net, x, (y + 1) % 3, quick_attacks(LInf(0.1)))
    assert {check.verdict for check in results[4:]} == {"not run"}
    assert all("no sample is classified rightly" in check.rule for check in results[4:])


def test_where_all_samples_are_of_one_class_no_budget_is_unbounded():
    net, x, y = setting()
    one = y == y[0]
    (found,) = ran(net, x[one], y[one], quick_attacks(LInf(0.1)), {"unbounded eps"})
    assert found.verdict == "not run"


@pytest.mark.parametrize(
    "perturbation", [LInf(1e-3), L2(1e-3), LInf(1e-3, bounds=(0, 1)), LInf(torch.full((4,), 1e-3))]
)
def test_unbounded_reaches_any_sample_from_the_smallest_budget(perturbation):
    net, x, y = setting()
    (found,) = ran(net, x, y, [Attack("pgd", PGD(steps=20), perturbation)], {"unbounded eps"})
    assert found.verdict == "pass"
    assert found.value < 1 / 3


def test_a_set_without_a_radius_cannot_be_varied():
    net, x, y = setting()
    attacks = [Attack("pgd", PGD(steps=3), Box(-0.1 * torch.ones(4), 0.1 * torch.ones(4)))]
    results = ran(net, x, y, attacks, {"monotone in eps", "unbounded eps"})
    assert [check.verdict for check in results] == ["not run", "not run"]
    assert all("no eps that could be varied" in check.rule for check in results)


def test_float64_needs_no_check_of_precision():
    net, x, y = setting()
    (found,) = ran(net.double(), x.double(), y, quick_attacks(LInf(0.1)), {"precision"})
    assert found.verdict == "not run"


def test_precision_is_checked_without_a_copy_of_the_model():
    net, x, y = setting()
    net.lock = threading.Lock()  # which cannot be copied
    own = dict(net.named_parameters())
    (found,) = ran(net, x, y, quick_attacks(LInf(0.1)), {"precision"})
    assert (found.verdict, found.value) == ("pass", 0)
    assert all(parameter is own[name] for name, parameter in net.named_parameters())


def test_a_model_that_knows_no_float64_is_not_checked_for_it():
    class Single(nn.Module):
        def forward(self, x):
            return x @ torch.eye(4, 3)

    x = torch.rand(8, 4)
    (found,) = ran(Single(), x, Single()(x).argmax(1), quick_attacks(LInf(0.1)), {"precision"})
    assert found.verdict == "not run"


def test_inputs_outside_the_bounds_are_refused():
    net, x, y = setting()
    with pytest.raises(InputError, match="within the bounds"):
        run_checks(net, x + 1, y, quick_attacks(LInf(0.1, bounds=(0, 1))))


def test_labels_without_a_logit_are_refused():
    net, x, y = setting()
    with pytest.raises(InputError, match=r"labels must be in 0\.\.2"):
        run_checks(net, x, y + 1, quick_attacks(LInf(0.1)))


def test_longer_doubles_the_steps_alone():
    def maximiser(found):
        return longer(Attack("a", found, LInf(0.1))).maximiser

    assert repr(maximiser(PGD(steps=10, restarts=2))) == "PGD(steps=20, step_size=0.25, restarts=2)"
    assert maximiser(Targeted(PGD(steps=3))).maximiser.steps == 6
    assert repr(maximiser(FGSM())) == repr(PGD(steps=20))
    targeted = maximiser(Targeted(FGSM(), classes=2))
    assert (repr(targeted.maximiser), targeted.classes, targeted.single_step) == (repr(PGD(steps=20)), 2, False)
    with pytest.raises(NotRun, match="Noise has no steps"):
        maximiser(Noise(draws=2))


def test_scaled_leaves_the_attack_as_it_was():
    attack = Attack("a", FGSM(), LInf(torch.tensor([0.1, 0.2])))
    assert scaled(attack, 2.0).perturbation.eps.tolist() == pytest.approx([0.2, 0.4])
    assert attack.perturbation.eps.tolist() == pytest.approx([0.1, 0.2])


def test_a_check_of_ones_own_is_one_class():
    class Narrow(SelfCheck):
        name, rule, of = "narrow", "there are at least 10 classes", "model"

        def measure(self, case):
            return Measured(case.logits.shape[1], kept=case.logits.shape[1] >= 10)

    net, x, y = setting()
    (found,) = run_checks(net, x, y, quick_attacks(LInf(0.1)), checks=[Narrow()])
    assert found == Check("narrow", 3, "there are at least 10 classes", "do not trust")


def test_only_a_broken_rule_speaks_against_the_numbers():
    kept, unknown = Check("a", 0.0, "r", "pass"), Check("b", None, "r", "not run")
    assert trusted([kept, unknown])
    assert warning([kept, unknown]) == ""
    broken = Check("c", 0.5, "r", "do not trust")
    assert not trusted([kept, broken])
    assert "2 self-checks fail" in warning([broken, kept, broken])
