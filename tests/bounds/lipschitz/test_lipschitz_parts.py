import math

import pytest
import torch
from torch import nn
from utils.forwards import Forward

from ratlp.bounds import lipschitz_bound, lipschitz_parts, lipschitz_rule
from ratlp.bounds.lipschitz import last_layer
from ratlp.bounds.lipschitz.linear import linear
from ratlp.certificates import certify
from ratlp.errors import BoundError, LayerError
from ratlp.models import EncoderClassifier, mlp

NORMS = ("linf", "l2")


@pytest.mark.parametrize("norm", NORMS)
def test_parts_multiply_to_the_whole(norm):
    net = mlp(3, classes=4)
    parts = lipschitz_parts(net, layer="encoder", norm=norm)
    assert parts.f == lipschitz_bound(net.encoder, norm=norm)
    assert parts.g == lipschitz_bound(net.classifier, norm=norm)
    assert math.isclose(parts.whole, parts.f * parts.g)
    assert parts.to_dict() == {"layer": "encoder", "norm": norm, "f": parts.f, "g": parts.g, "whole": parts.whole}


def test_what_passes_the_latent_by_is_held_fixed_in_g_and_counted_in_the_whole():
    model = Forward(lambda m, x: m.b(m.a(x)) + 5 * x)
    parts = lipschitz_parts(model, layer="a")
    a, b = lipschitz_bound(model.a), lipschitz_bound(model.b)
    assert parts.f == a
    assert parts.g == b
    assert math.isclose(parts.whole, a * b + 5)


def test_modules_before_the_layer_need_no_rule_for_g():
    model = EncoderClassifier(nn.Sequential(nn.Linear(2, 2), nn.Hardshrink()), nn.Linear(2, 2))
    assert last_layer_g(model) == 1.0
    with pytest.raises(BoundError, match="Hardshrink"):
        lipschitz_parts(model, layer="encoder")


def last_layer_g(model):
    from ratlp.bounds.lipschitz.bound import latent_node
    from ratlp.bounds.lipschitz.composition import Composition
    from ratlp.bounds.lipschitz.tracing import trace

    traced = trace(model)
    latent = latent_node(traced, model, "encoder")
    return Composition(traced, "linf").constant(latent, latent)


def test_calls_of_a_layer():
    model = Forward(lambda m, x: m.b(m.act(m.a(m.act(x)))))
    silu = lipschitz_bound(nn.SiLU())
    assert lipschitz_parts(model, layer="act#1").f == silu
    assert lipschitz_parts(model, layer="act#2").g == lipschitz_bound(model.b)
    assert lipschitz_parts(model, layer="input").f == 1.0
    with pytest.raises(LayerError, match="found 2 calls"):
        lipschitz_parts(model, layer="act")
    with pytest.raises(LayerError, match="found 2 calls"):
        lipschitz_parts(model, layer="act#3")
    with pytest.raises(LayerError, match="submodule"):
        lipschitz_parts(model, layer="nowhere")


class Pair(nn.Module):
    def forward(self, x):
        return x, x


class OfAPair(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair, self.unused, self.head = Pair(), nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(self.pair(x)[0])


def test_a_layer_that_is_never_called():
    with pytest.raises(LayerError, match="found 0 calls"):
        lipschitz_parts(OfAPair(), layer="unused")


def test_a_layer_of_several_outputs_leaves_other_methods():
    reason = "needs a layer that returns one tensor; layer 'pair' returned a tuple or a mapping: choose another layer"
    with pytest.raises(BoundError, match=reason):
        lipschitz_parts(OfAPair(), layer="pair")
    found = certify(OfAPair(), torch.rand(4, 2), torch.tensor([0, 1, 1, 0]), eps=0.01, layer="pair")
    assert {run.name for run in found.methods if run.refused is None} >= {"interval", "linear"}


def test_the_last_layer():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Identity(), nn.Linear(8, 3))
    direct = last_layer(net, layer="1")
    assert direct.module is net[4]
    assert direct.takes_latent
    assert direct.g == 1.0
    assert not last_layer(net, layer="0").takes_latent  # a ReLU between
    assert last_layer(net, layer="4") is None
    assert last_layer(nn.Sequential(net, nn.Tanh()), layer="0.1") is None
    shared = nn.Linear(2, 2)
    assert last_layer(nn.Sequential(shared, nn.ReLU(), shared), layer="1") is None


def test_a_last_layer_called_by_keyword_leaves_other_methods():
    model = Forward(lambda m, x: m.b(input=m.a(x))).eval()
    assert last_layer(model, layer="a") is None
    found = certify(model, torch.rand(4, 4), torch.tensor([0, 1, 2, 3]), eps=0.01, layer="a")
    assert {run.name for run in found.methods if run.refused is None} >= {"interval", "linear"}


def test_a_linear_subclass_with_a_rule_of_its_own_is_no_linear_head():
    class Squashed(nn.Linear):
        def forward(self, x):
            return 10 * torch.sin(super().forward(x))

    lipschitz_rule(Squashed)(lambda module, norm, shape: 10 * linear(module, norm))
    assert last_layer(nn.Sequential(nn.Tanh(), Squashed(2, 2)), layer="0") is None


@pytest.mark.parametrize("layer", ["module.0", "module.1"])
def test_a_layer_inside_a_step_leaves_other_methods(layer):
    model = nn.DataParallel(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 3)), device_ids=[])
    reason = f"needs a layer that its trace reaches; layer '{layer}' lies inside a DataParallel, which is one step"
    with pytest.raises(BoundError, match=reason):
        lipschitz_parts(model, layer=layer)
    found = certify(model, torch.rand(4, 2), torch.tensor([0, 1, 2, 0]), eps=0.01, layer=layer)
    assert {run.name: run.refused is None for run in found.methods}["interval"]
    assert all(reason in str(run.refused) for run in found.methods if run.name in ("closed-form", "lipschitz"))
