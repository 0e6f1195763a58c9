"""Each of these looks robust and is not; the check that should say so does, and the whole says do not trust."""

import pytest
import torch
from torch import nn
from utils.masked_models import (
    EPS,
    Step,
    StubbornDropout,
    after,
    before,
    compressed,
    digits,
    mlp,
    rescaled,
    trained,
    with_batch_statistics,
    with_dropout,
    with_ripple,
)

from ratlp.attacks import FGSM, PGD, Noise
from ratlp.evaluation import Attack, quick_attacks
from ratlp.evaluation.checks import DISTRUST, run_checks, self_checks, trusted, warning
from ratlp.perturbations import LInf
from ratlp.perturbations.scale import rms_per_sample

ATTACKS = [Attack("pgd", PGD(steps=20), EPS)]


def standard():
    return trained(mlp, robust=False)


def fired(model, attacks=ATTACKS, names=None):
    _, _, x, y = digits(0)
    checks = [check for check in self_checks() if names is None or check.name in names]
    return {check.name for check in run_checks(model, x, y, attacks, checks=checks) if check.verdict == DISTRUST}


def noisy(x):
    return x + 0.1 * torch.randn_like(x)


PLANTED = {
    "quantised input": (lambda: before(standard(), lambda x: (16 * x).round() / 16), {"zero gradients", "black box"}),
    "quantised input, robust net": (
        lambda: before(trained(mlp, robust=True), lambda x: (16 * x).round() / 16),
        {"zero gradients", "black box", "transfer"},
    ),
    "floor": (lambda: before(standard(), lambda x: (16 * x).floor() / 16), {"zero gradients", "unbounded eps"}),
    "compression": (lambda: before(standard(), compressed), {"zero gradients", "black box"}),
    "softmax": (lambda: nn.Sequential(standard(), nn.Softmax(1)).eval(), {"softmax outputs"}),
    "saturated softmax": (
        lambda: after(standard(), lambda z: torch.softmax(1000 * z, 1)),
        {"softmax outputs", "zero gradients", "saturated cross-entropy"},
    ),
    "scaled by 1000": (lambda: after(standard(), lambda z: 1000 * z), {"saturated cross-entropy"}),
    "noise at the input": (lambda: before(standard(), noisy), {"randomised forward"}),
    "noise at the logits": (lambda: after(standard(), noisy), {"randomised forward"}),
    "dropout by function": (lambda: with_dropout(standard()), {"randomised forward"}),
    "dropout switched on": (
        lambda: nn.Sequential(StubbornDropout(), standard()).eval(),
        {"training mode", "randomised forward"},
    ),
    "batch statistics": (lambda: trained(with_batch_statistics, robust=False), {"batch mates"}),
    "ripples": (lambda: with_ripple(standard()), {"black box", "iterative at least as strong as single-step"}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_is_caught(name):
    build, expected = PLANTED[name]
    assert fired(build(), names=expected) == expected


def test_a_net_that_is_scaled_down_hides_less_than_one_scaled_up():
    assert "saturated cross-entropy" not in fired(standard(), names=["saturated cross-entropy"])


def test_batch_statistics_close_the_checks_of_attacks():
    _, _, x, y = digits(0)
    results = run_checks(trained(with_batch_statistics, robust=False), x, y, ATTACKS)
    attacked = [check for check in results if check.name in {"zero gradients", "converged", "black box"}]
    assert [check.verdict for check in attacked] == ["not run"] * 3
    assert all(check.value is None and "batch mates" in check.rule for check in attacked)
    assert not trusted(results)


def test_a_single_step_is_no_evaluation():
    assert fired(standard(), [Attack("fgsm", FGSM(), EPS)], ["converged", "monotone in eps"]) == {"converged"}


def test_too_few_steps_have_not_converged():
    attacks = [Attack("pgd", PGD(steps=2, step_size=0.1), EPS)]
    assert fired(standard(), attacks, ["converged"]) == {"converged"}


def test_a_single_step_over_ripples_is_not_monotone():
    waves = before(standard(), lambda x: x + 0.1 * torch.sin(32 * torch.pi * x))
    attacks = [Attack("fgsm", FGSM(), LInf(1 / 32, bounds=(0, 1)))]
    assert fired(waves, attacks, ["monotone in eps"]) == {"monotone in eps"}


def test_a_surrogate_shows_what_the_gradient_hides():
    quantised = before(standard(), lambda x: (16 * x).round() / 16)
    _, _, x, y = digits(0)
    transfer = [check for check in self_checks(surrogate=standard()) if check.name == "transfer"]
    (by_source,) = run_checks(quantised, x, y, ATTACKS, checks=transfer)
    imitated = [check for check in self_checks() if check.name == "transfer"]
    (by_imitation,) = run_checks(quantised, x, y, ATTACKS, checks=imitated)
    assert by_source.verdict == by_imitation.verdict == DISTRUST
    assert by_source.value > by_imitation.value > 0.1


def test_float64_shows_what_rounding_hides():
    lifted = nn.Sequential(nn.Linear(64, 16), Step(lambda h: torch.tanh(h + 12)), nn.Linear(16, 10)).eval()
    _, _, x, _ = digits(0)
    checks = [check for check in self_checks() if check.name in {"zero gradients", "precision"}]
    found = run_checks(lifted, x, lifted(x).argmax(1), ATTACKS, checks=checks)
    assert [(check.verdict, check.value) for check in found] == [(DISTRUST, 1.0), (DISTRUST, 1.0)]


@pytest.mark.parametrize(("factor", "escaped"), [(1.0, False), (1000.0, True)])
def test_a_latent_that_outgrew_its_budget_is_caught(factor, escaped):
    model = rescaled(standard(), factor)
    assert fired(model, quick_attacks(LInf(0.1), layer="3"), ["scale escape"]) == (
        {"scale escape"} if escaped else set()
    )


def test_a_relative_budget_cannot_be_outgrown():
    relative = LInf(0.1, relative_to=rms_per_sample)
    model = rescaled(standard(), 1000.0)
    assert not fired(model, quick_attacks(relative, layer="3"), ["scale escape"])


def test_the_warning_names_what_was_found():
    _, _, x, y = digits(0)
    quantised = before(standard(), lambda x: (16 * x).round() / 16)
    results = run_checks(quantised, x, y, ATTACKS, checks=[c for c in self_checks() if c.name == "zero gradients"])
    assert warning(results).startswith("DO NOT TRUST")
    assert "zero gradients: found 1, the rule" in warning(results)


def test_without_gradients_there_is_nothing_to_judge():
    _, _, x, y = digits(0)
    results = run_checks(standard(), x, y, [Attack("noise", Noise(draws=3), EPS)])
    assert {check.verdict for check in results if check.name in {"converged", "black box", "transfer"}} == {"not run"}
    assert trusted(results)
