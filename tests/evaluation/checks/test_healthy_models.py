"""Sound nets pass."""

import pytest
from utils.masked_models import EPS, cnn, digits, mlp, trained

from ratlp.evaluation import quick_attacks
from ratlp.evaluation.checks import run_checks, trusted, warning
from ratlp.perturbations import L2, LInf

FALSE_ALARMS = 1  # of 40 sets of checks on 20 nets


def checked(net, perturbation, *, layer="input", seed=0):
    _, _, x, y = digits(seed)
    return run_checks(net, x, y, quick_attacks(perturbation, layer=layer))


@pytest.mark.parametrize("robust", [True, False], ids=["PGD-trained", "standard"])
def test_a_sound_net_passes(robust):
    results = checked(trained(mlp, robust=robust), EPS)
    assert trusted(results), warning(results)
    assert {check.verdict for check in results} == {"pass"}
    assert len(results) == 13


def test_a_sound_net_passes_at_a_layer():
    results = checked(trained(mlp, robust=True), LInf(0.1), layer="3")
    assert {check.verdict for check in results} == {"pass"}
    assert len(results) == 14


@pytest.mark.slow
@pytest.mark.parametrize("robust", [True, False], ids=["PGD-trained", "standard"])
@pytest.mark.parametrize("perturbation", [EPS, L2(0.5, bounds=(0, 1))], ids=["linf", "l2"])
def test_a_sound_convolutional_net_passes(robust, perturbation):
    results = checked(trained(cnn, robust=robust), perturbation)
    assert trusted(results), warning(results)


@pytest.mark.slow
def test_false_alarms_are_rare():
    alarms = []
    for seed in range(10):
        for robust in (True, False):
            net = trained(mlp, robust=robust, seed=seed)
            alarms.append(warning(checked(net, EPS, seed=seed)))
            alarms.append(warning(checked(net, LInf(0.1), layer="3", seed=seed)))
    raised = [alarm for alarm in alarms if alarm]
    assert len(raised) <= FALSE_ALARMS, "\n".join(raised)
