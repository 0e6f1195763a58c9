"""Under torch.compile the perturbation is really applied: a hook would silently not fire."""

import pytest
import torch
from objective.literal_objective import assert_same, gradients, literal_loss
from torch import nn

from ratlp import RATLP
from ratlp.models import EncoderClassifier

EAGER = {"backend": "eager"}  # dynamo captures as always, and no kernels are built


@pytest.fixture
def model():
    return EncoderClassifier(
        nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8)),
        nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 3)),
    ).double()


def compiled_in_place_before(model, x):
    model.compile(**EAGER)
    model(x)
    return RATLP(model, layer="encoder", eps=0.5)


def compiled_in_place_after(model, x):
    objective = RATLP(model, layer="encoder", eps=0.5)
    model.compile(**EAGER)
    model(x)
    return objective


def wrapped(model, x):
    compiled = torch.compile(model, **EAGER)
    compiled(x)
    return RATLP(compiled, layer="encoder", eps=0.5)


def classifier_compiled(model, x):
    model.classifier.compile(**EAGER)
    model(x)
    return RATLP(model, layer="encoder", eps=0.5)


def classifier_wrapped(model, x):
    model.classifier = torch.compile(model.classifier, **EAGER)
    model(x)
    return RATLP(model, layer="encoder", eps=0.5)


def layer_compiled(model, x):
    model.encoder.compile(**EAGER)
    model(x)
    return RATLP(model, layer="encoder", eps=0.5)


def layer_inside_compiled(model, x):
    model.encoder = torch.compile(model.encoder, **EAGER)
    model(x)
    return RATLP(model, layer="encoder.2", eps=0.5)


def objective_wrapped(model, x):
    return torch.compile(RATLP(model, layer="encoder", eps=0.5), **EAGER)


def objective_in_place(model, x):
    objective = RATLP(model, layer="encoder", eps=0.5)
    objective.compile(**EAGER)
    return objective


@pytest.mark.parametrize(
    "make",
    [
        compiled_in_place_before,
        compiled_in_place_after,
        wrapped,
        classifier_compiled,
        classifier_wrapped,
        layer_compiled,
        layer_inside_compiled,
        objective_wrapped,
        objective_in_place,
    ],
)
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch._dynamo's own
def test_gradients_are_those_of_algorithm_1(make, model):
    x, y = torch.randn(20, 6).double(), torch.randint(3, (20,))
    expected = literal_loss(model.encoder, model.classifier, x, y, eps=0.5, weight=1.0)
    wanted = gradients(expected, model.parameters())
    parameters = list(model.parameters())
    objective = make(model, x)
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = None
        out = objective(x, y)
        out.loss.backward()
        assert out.adversarial_loss > out.clean_loss
        assert out.loss.item() == pytest.approx(expected.item(), rel=1e-10)
        assert_same([p.grad for p in parameters], wanted, relative=1e-9)
    torch._dynamo.reset()
