from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy

from ratlp.data import Digits, Moons
from ratlp.experiments import METHODS, Setting
from ratlp.experiments.theorem import STATEMENTS, theorem
from ratlp.experiments.trials import Trials

SETTING = Setting(epochs=3)


@pytest.fixture(scope="module")
def trials():
    return Trials(Moons(n=200), range(3))


def test_counts_and_names(trials):
    found = theorem(trials, SETTING)
    assert found.n_points == 2 * 3 * 40
    assert [bound.name for bound in found.methods[0].bounds] == list(STATEMENTS)
    assert found.paper_violations == sum(check.bounds[0].violations for check in found.methods)


@pytest.mark.parametrize("eps", [0.01, 0.1, 1.0, 10.0])
def test_the_right_bounds_hold_and_the_pairwise_one_is_tighter(trials, eps):
    found = theorem(trials, replace(SETTING, eps=eps))
    assert found.violations == 0
    for check in found.methods:
        by_name = {bound.name: bound for bound in check.bounds}
        assert by_name["pairwise"].violations == 0
        assert by_name["pairwise"].mean_tightness >= by_name["right_constants"].mean_tightness
        assert check.sign_step_increase.mean <= check.exact_increase.mean + 1e-12


def assert_all_tight(found):
    for check in found.methods:
        for bound in check.bounds:
            assert (bound.mean_tightness, bound.max_tightness, bound.violations) == (1.0, 1.0, 0)


def test_without_a_budget_every_bound_is_tight(trials):
    assert_all_tight(theorem(trials, replace(SETTING, eps=0.0)))


def test_a_head_of_zeros_never_rises():
    trials = Trials(Moons(n=200), range(2))
    for method in METHODS:
        for parameter in trials.stacks(SETTING, method)[0].net.classifier.parameters():
            parameter.data.zero_()
    for check in theorem(trials, SETTING).methods:
        assert check.exact_increase.mean == 0
        tightness = {bound.name: bound.mean_tightness for bound in check.bounds}
        assert tightness == {"paper": 0, "paper_normalised": 0, "right_constants": 1, "pairwise": 1}


def test_the_papers_bound_fails_on_a_head_of_norm_above_one(trials):
    setting = replace(SETTING, epochs=60, eps=0.0625)
    found = theorem(trials, setting)
    assert found.paper_violations > 0
    stack = trials.stacks(setting, "standard")[0]
    weight, bias = (tensor.double()[0] for tensor in stack.head)
    z, y = stack.net.encoder(stack.x_test)[0].detach().double(), stack.y_test[0]
    step = setting.eps * (weight[1 - y] - weight[y]).sign()
    rise = cross_entropy((z + step) @ weight.T + bias, y, reduction="none") - cross_entropy(
        z @ weight.T + bias, y, reduction="none"
    )
    assert (rise > setting.eps).sum() > 0
    assert torch.all(rise <= 2 * weight.abs().sum(1).max() * setting.eps)


def test_with_two_classes_the_sign_step_is_exact_and_with_ten_it_need_not_be(trials):
    assert {check.sign_step_exact for check in theorem(trials, SETTING).methods} == {1.0}
    ten = theorem(Trials(Digits(), range(1)), replace(SETTING, eps=1.0))
    assert ten.violations == 0
    assert all(0 < check.sign_step_exact < 1 for check in ten.methods)
