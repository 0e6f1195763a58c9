import copy

import pytest
import torch
from hypothesis import given, strategies as st
from torch import nn

from ratlp import RATLP
from ratlp.bounds import IntervalBound
from ratlp.errors import InputError
from ratlp.objective import LinearRamp, Ramp, Schedule, SmoothRamp
from ratlp.perturbations import L2, LInf, PerturbationSet, Propagated

RAMPS = [LinearRamp, SmoothRamp]
each_ramp = pytest.mark.parametrize("ramp", RAMPS)
steps = st.integers(1, 200)


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


@each_ramp
@given(over=steps, after=st.integers(0, 50))
def test_ramps_rise_from_0_to_1_and_stay(ramp, over, after):
    values = [ramp(over, after=after)(step) for step in range(after + over + 3)]
    assert values[: after + 1] == [0.0] * (after + 1)
    assert values == sorted(values)
    assert all(0 <= value < 1 for value in values[: after + over])
    assert values[after + over :] == pytest.approx([1.0] * 3, abs=1e-12)
    assert max(values) <= 1 + 1e-12


@each_ramp
def test_ramps_do_not_jump(ramp):
    values = torch.tensor([ramp(1000)(step) for step in range(1001)])
    assert values.diff().max() < 2 / 1000


def test_the_smooth_ramp_has_no_kink_between_its_parts():
    values = torch.tensor([SmoothRamp(10_000)(step) for step in range(10_001)], dtype=torch.float64)
    slopes = values.diff()
    assert slopes.diff().abs().max() < 1e-6
    assert slopes[0] < 1e-12
    assert torch.allclose(slopes[2500:], slopes[-1], rtol=1e-9)
    early = torch.arange(1, 2501, dtype=torch.float64) / 10_000
    ratio = values[1:2501] / early**4
    assert torch.allclose(ratio, ratio[0].expand_as(ratio), rtol=1e-9)


@pytest.mark.parametrize(("over", "after"), [(0, 0), (-1, 0), (1, -1)])
@each_ramp
def test_ramps_out_of_range(ramp, over, after):
    with pytest.raises(InputError, match=f"found over={over} and after={after}"):
        ramp(over, after=after)


def test_reprs():
    assert repr(LinearRamp(4)) == "LinearRamp(over=4)"
    assert repr(SmoothRamp(4, after=2)) == "SmoothRamp(over=4, after=2)"


def test_a_ramp_of_ones_own():
    class Late(Ramp):
        def _share(self, progress):
            return float(progress == 1)

    objective = RATLP(net(), layer="1", eps=0.5)
    schedule = Schedule(objective, eps=Late(over=2))
    values = []
    for _ in range(4):
        values.append(objective.perturbations["1"].eps)
        schedule.step()
    assert values == [0.0, 0.0, 0.5, 0.5]


@pytest.mark.parametrize("budget", [LInf(0.4), L2(0.4), Propagated(0.4, bounds=(0, 1))], ids=repr)
def test_eps_and_weight_move_together(budget):
    objective = RATLP(net(), layer="1", perturbation=budget, weight=2.0)
    schedule = Schedule(objective, eps=LinearRamp(4), weight=LinearRamp(2, after=2))
    seen = []
    for _ in range(6):
        seen.append((budget.eps, objective.weight))
        schedule.step()
    assert seen == [
        (pytest.approx(0.4 * eps), pytest.approx(weight))
        for eps, weight in [(0, 0), (0.25, 0), (0.5, 0), (0.75, 1), (1, 2), (1, 2)]
    ]


def test_what_has_no_ramp_stays():
    objective = RATLP(net(), layer="1", eps=0.4, weight=2.0)
    schedule = Schedule(objective)
    schedule.step()
    assert (objective.perturbations["1"].eps, objective.weight) == (0.4, 2.0)


def test_one_budget_for_several_layers_is_scaled_once():
    budget = Propagated(0.4)
    objective = RATLP(net(), layer=["1", "3"], perturbation=budget)
    schedule = Schedule(objective, eps=LinearRamp(2))
    schedule.step()
    assert budget.eps == pytest.approx(0.2)


def test_budgets_of_their_own():
    budgets = [LInf(0.4), Propagated(0.1)]
    objective = RATLP(net(), layer=["3", "1"], perturbation=budgets)
    schedule = Schedule(objective, eps=LinearRamp(2))
    schedule.step()
    assert [budget.eps for budget in budgets] == pytest.approx([0.2, 0.05])


def test_a_radius_for_each_feature():
    final = torch.tensor([0.1, 0.2, 0.3, 0.4])
    budget = Propagated(final, bounds=(0, 1))
    schedule = Schedule(RATLP(net(), layer="1", perturbation=budget), eps=LinearRamp(4))
    assert torch.equal(budget.eps, torch.zeros(4))
    schedule.step()
    assert torch.allclose(budget.eps, final / 4)


def test_a_budget_without_eps_is_refused():
    class Odd(PerturbationSet):
        steepest = project = random = None

    Odd.__abstractmethods__ = frozenset()
    objective = RATLP(net(), layer="1", perturbation=Odd())
    with pytest.raises(InputError, match=r"a schedule of eps needs budgets with an eps; found .*Odd"):
        Schedule(objective, eps=LinearRamp(2))
    Schedule(objective, weight=LinearRamp(2))  # the weight may move all the same


def run(steps, *, stop_at=None, maximiser=None):
    """Some steps of training, in one go or going on from a checkpoint in a program that starts anew."""
    torch.manual_seed(0)
    data = [(torch.rand(6, 4), torch.randint(3, (6,))) for _ in range(steps)]
    state = None

    def fresh():
        torch.manual_seed(1)
        model = net()
        objective = RATLP(model, layer="1", perturbation=Propagated(0.2), weight=0.5, maximiser=maximiser)
        schedule = Schedule(objective, eps=SmoothRamp(6, after=1), weight=LinearRamp(8))
        return objective, schedule, torch.optim.SGD(model.parameters(), lr=0.1)

    objective, schedule, optimiser = fresh()
    values = []
    for i, (x, y) in enumerate(data):
        if i == stop_at:
            state = copy.deepcopy((objective.state_dict(), schedule.state_dict(), optimiser.state_dict()))
            objective, schedule, optimiser = fresh()
            for part, saved in zip((objective, schedule, optimiser), state, strict=True):
                part.load_state_dict(saved)
        values.append((objective.perturbations["1"].eps, objective.weight))
        optimiser.zero_grad()
        objective(x, y).loss.backward()
        optimiser.step()
        schedule.step()
    return values, [p.detach() for p in objective.parameters()]


@pytest.mark.parametrize("maximiser", [None, IntervalBound()])
def test_resumed_training_is_uninterrupted_training(maximiser):
    values, parameters = run(10, maximiser=maximiser)
    resumed, again = run(10, stop_at=4, maximiser=maximiser)
    assert resumed == values
    assert values[-1] == (pytest.approx(0.2), 0.5)
    assert all(torch.equal(p, a) for p, a in zip(parameters, again, strict=True))
