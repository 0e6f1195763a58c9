"""Everything about the model and the random state is as before: after success, and after an error."""

import copy

import pytest
import torch
from torch import nn
from utils.attacks import few_attacks
from utils.model_state import same, state_of
from utils.sequences import LastOutput

from ratlp.errors import InputError
from ratlp.evaluation import adversarial_examples, evaluate, minimal_distances, robustness_curve
from ratlp.perturbations import LInf


class Flaky(nn.Module):
    """Raises from a given call on."""

    def __init__(self, model):
        super().__init__()
        self.model = model
        self.left = 10**9

    def forward(self, x):
        self.left -= 1
        if self.left < 0:
            raise RuntimeError("broken")
        return self.model(x)


@pytest.fixture
def model(mlp):
    model = Flaky(mlp(3)).train()
    model.model[4].eval()  # modes of their own
    model.model[0].weight.requires_grad_(False)
    model.model[3].weight.grad = torch.ones_like(model.model[3].weight)
    return model


RUNS = {
    "input": lambda model, x, y: evaluate(model, x, y, few_attacks(LInf(0.1))),
    "latent": lambda model, x, y: evaluate(model, x, y, few_attacks(LInf(0.1), layer="model.1")),
    "curve": lambda model, x, y: robustness_curve(model, x, y, few_attacks(LInf(0.1))[1], [0.1, 0.2]),
    "distance": lambda model, x, y: minimal_distances(model, x, y, few_attacks(LInf(0.1))[1], tolerance=0.05),
    "in float64": lambda model, x, y: evaluate(model, x, y, few_attacks(LInf(0.1)), dtype=torch.float64),
    "examples": lambda model, x, y: adversarial_examples(model, x, y, few_attacks(LInf(0.1))[2]),
}


@pytest.mark.parametrize("kind", RUNS)
@pytest.mark.parametrize("calls", [None, 0, 1, 4])
def test_state_is_as_before(model, samples, kind, calls):
    x, y = samples(model)
    x.requires_grad_()
    before = state_of(model)
    if calls is None:
        RUNS[kind](model, x, y)
    else:
        model.left = calls
        with pytest.raises((RuntimeError, InputError), match="broken"):
            RUNS[kind](model, x, y)
    assert same(state_of(model), before)
    assert x.grad is None


def test_the_caller_may_be_in_any_gradient_mode(mlp, samples):
    model = mlp(3)
    x, y = samples(model)
    attacks = few_attacks(LInf(0.1))
    expected = evaluate(model, x, y, attacks)
    with torch.no_grad():
        assert evaluate(model, x, y, attacks) == expected
    with torch.inference_mode():
        assert evaluate(model, x, y, attacks) == expected


def test_evaluation_mode_is_used(mlp, samples):
    model = mlp(3)
    x, y = samples(model)
    frozen = copy.deepcopy(model).eval()
    assert evaluate(model.train(), x, y, few_attacks(LInf(0.1))) == evaluate(frozen, x, y, few_attacks(LInf(0.1)))


def test_recurrent_nets(samples):
    model = LastOutput()
    x, y = samples(model, shape=(4, 3))
    assert evaluate(model, x, y, few_attacks(LInf(0.5))).worst_case.share < 0.75
