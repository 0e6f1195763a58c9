import json
import sys

import pytest

from ratlp.assessment import Budget, Plan, chosen
from ratlp.errors import InputError, MissingExtraError
from ratlp.perturbations import L2, LInf
from ratlp.perturbations.scale import rms_per_sample


@pytest.mark.parametrize("radii", [(), (0.0,), (-0.1,), (float("nan"),), (0.1, float("inf")), (0.1, 0.1)])
def test_radii_must_be_finite_positive_and_each_once(radii):
    with pytest.raises(InputError, match="eps must"):
        Budget(radii)


def test_the_first_radius_is_the_attacks_and_the_curve_has_all_in_order():
    assert (Budget((0.2, 0.05, 0.4)).eps, Budget((0.2, 0.05, 0.4)).curve) == (0.2, (0.05, 0.2, 0.4))
    assert Budget((0.2,)).curve == (0.05, 0.1, 0.2, 0.4, 0.8)


def test_bounds_are_the_inputs_and_scales_the_layers():
    budgets = {"input": Budget((0.1,)), "encoder": Budget((0.5,), relative=True)}
    plan = Plan(("pgd",), "l2", budgets, (0.0, 1.0))
    at_input, at_layer = (attack.perturbation for attack in plan.suite())
    assert (type(at_input), at_input.eps, at_input.bounds, at_input.relative_to) == (L2, 0.1, (0.0, 1.0), None)
    assert (type(at_layer), at_layer.eps, at_layer.bounds, at_layer.relative_to) == (L2, 0.5, None, rms_per_sample)


@pytest.mark.parametrize(
    ("attacks", "primary"),
    [(("quick",), "pgd"), (("square", "fgsm", "apgd-dlr", "pgd"), "apgd-dlr"), (("noise", "fgsm"), "noise")],
)
def test_curves_are_by_the_first_attack_with_gradients_and_steps(attacks, primary):
    assert Plan(attacks, "linf", {"input": Budget((0.1,))}).primary("input").name == primary


def test_autoattack_draws_no_curve():
    pytest.importorskip("pyautoattack")
    assert Plan(("autoattack", "fgsm", "pgd"), "linf", {"input": Budget((0.1,))}).primary("input").name == "pgd"
    assert Plan(("autoattack",), "linf", {"input": Budget((0.1,))}).primary("input").name == "pgd"


def test_suites_and_names():
    assert [attack.name for attack in chosen(["full"], LInf(0.1))][:3] == ["fgsm", "pgd", "apgd-ce"]
    assert [attack.name for attack in chosen(["square", "pgd"], LInf(0.1))] == ["square", "pgd"]


@pytest.mark.parametrize("names", [["pgdd"], ["quick", "pgd"], [""], []])
def test_unknown_names_are_refused_and_the_known_listed(names):
    with pytest.raises(InputError, match="attacks must be"):
        chosen(names, LInf(0.1))


def test_a_name_twice_is_refused():
    with pytest.raises(InputError, match="each once; found pgd, pgd"):
        chosen(["pgd", "pgd"], LInf(0.1))


def test_autoattack_without_its_package_gives_the_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    monkeypatch.delitem(sys.modules, "pyautoattack.autoattack", raising=False)
    with pytest.raises(MissingExtraError, match=r"ratlp\[autoattack\]"):
        chosen(["autoattack"], LInf(0.1))


def test_an_unknown_norm():
    with pytest.raises(InputError, match="norm must be 'linf' or 'l2'; found 'l1'"):
        Plan(("pgd",), "l1", {"input": Budget((0.1,))}).suite()


def test_certificates_need_absolute_budgets():
    with pytest.raises(InputError, match="certificates need an absolute budget"):
        Plan(("pgd",), "linf", {"encoder": Budget((0.1,), relative=True)}, certify=True)


def test_settings_are_json_and_tell_plans_apart():
    plans = [
        Plan(("pgd",), "linf", {"input": Budget((0.1,))}),
        Plan(("pgd",), "linf", {"input": Budget((0.2,))}),
        Plan(("pgd",), "l2", {"input": Budget((0.1,))}),
        Plan(("pgd",), "linf", {"input": Budget((0.1,))}, seed=1),
        Plan(("pgd",), "linf", {"input": Budget((0.1,))}, checks=False),
    ]
    assert len({json.dumps(plan.settings(), allow_nan=False) for plan in plans}) == len(plans)
