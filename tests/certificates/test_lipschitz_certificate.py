import json
import math
from fractions import Fraction

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp.attacks import PGD, InnerProblem
from ratlp.bounds import lipschitz_parts
from ratlp.certificates import certify_lipschitz, linear_head_radius, lipschitz_radius
from ratlp.errors import BoundError, InputError, LayerError
from ratlp.models import EncoderClassifier, LipschitzLinear, MaxMin, mlp
from ratlp.perturbations import L2, LInf
from ratlp.proportions import Accuracy

NORMS = ("linf", "l2")
SETS = {"linf": LInf, "l2": L2}


def trained(model, x, y, steps=150):
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        cross_entropy(10 * model(x), y).backward()
        optimiser.step()
    return model.double().eval()


def data(n=400, features=2):
    x = torch.randn(n, features)
    return x, (x[:, 0] * x[:, 1] > 0).long()


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    )


def one_lipschitz():
    return nn.Sequential(LipschitzLinear(2, 32), MaxMin(), LipschitzLinear(32, 2))


MODELS = {
    "closed-form": (lambda: mlp(2, classes=2), "encoder", (2,)),
    "last-layer": (lambda: mlp(2, classes=2), "encoder.0", (2,)),
    "logits": (lambda: nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2), nn.Softplus()), "1", (2,)),
    "last-layer, convolution": (convolutional, "2", (1, 4, 4)),
    "last-layer, 1-lipschitz": (one_lipschitz, "0", (2,)),
}


@pytest.fixture(params=MODELS)
def case(request):
    make, layer, shape = MODELS[request.param]
    x, y = data(features=math.prod(shape))
    model = trained(make(), x.view(-1, *shape), y)
    return request.param.partition(",")[0], model, layer, x.view(-1, *shape).double(), y


def attacked(losses_at, points, radii, norm, shares=0.999):
    """The losses that PGD finds for each sample within its own radius: the unit ball, scaled."""
    scale = (shares * radii).view(-1, *[1] * (points.dim() - 1))
    problem = InnerProblem(lambda d: losses_at(points + scale * d[0]), [torch.zeros_like(points)], [SETS[norm](1.0)])
    (delta,) = PGD(steps=20, restarts=3)(problem)
    return points + scale * delta


@pytest.mark.parametrize("norm", NORMS)
def test_no_attack_beats_a_certificate(case, norm):
    method, model, layer, x, y = case
    certificate = certify_lipschitz(model, x, y, layer=layer, norm=norm, batch_size=150)
    assert certificate.form == method
    with torch.no_grad():
        right = model(x).argmax(1) == y
    assert torch.equal(certificate.input_radius > 0, right)
    assert right.double().mean() > 0.7

    def losses(points):
        return cross_entropy(model(points), y, reduction="none")

    found = attacked(losses, x, certificate.input_radius, norm)
    assert (model(found).argmax(1) == y)[right].all()


@pytest.mark.parametrize("norm", NORMS)
def test_no_attack_in_latent_space_beats_a_certificate_or_the_theorem(case, norm):
    _, model, layer, x, y = case
    certificate = certify_lipschitz(model, x, y, layer=layer, norm=norm)
    f, g = halves(model, layer)
    with torch.no_grad():
        z = f(x)

    def losses(points):
        return cross_entropy(g(points), y, reduction="none")

    right = certificate.latent_radius > 0
    found = attacked(losses, z, certificate.latent_radius, norm)
    assert (g(found).argmax(1) == y)[right].all()
    for eps in (0.01, 0.3):
        moved = attacked(losses, z, torch.full_like(certificate.latent_radius, eps), norm, shares=1.0)
        assert (losses(moved) - losses(z) <= certificate.loss_increase(eps) + 1e-9).all()


def halves(model, layer):
    if isinstance(model, EncoderClassifier):
        encoder, number = model.encoder, len(model.encoder) - 1 if layer == "encoder" else int(layer.partition(".")[2])
        return encoder[: number + 1], nn.Sequential(*encoder[number + 1 :], model.classifier)
    return model[: int(layer) + 1], model[int(layer) + 1 :]


@pytest.mark.parametrize("norm", NORMS)
def test_the_closed_form_is_exact_in_the_latent_and_the_input_radius_is_that_over_l_f(norm):
    x, y = data()
    model = trained(mlp(2, classes=2), x, y)
    x = x.double()
    certificate = certify_lipschitz(model, x, y, layer="encoder", norm=norm)
    assert certificate.form == "closed-form"
    assert torch.allclose(certificate.input_radius, certificate.latent_radius / certificate.parts.f)
    weight, z = model.classifier.weight.detach(), model.encoder(x).detach()
    towards = weight[1 - y] - weight[y]
    step = towards.sign() if norm == "linf" else nn.functional.normalize(towards, dim=1)
    right = certificate.latent_radius > 0
    for share, kept in ((1 - 1e-7, True), (1 + 1e-7, False)):
        moved = z + share * certificate.latent_radius[:, None] * step
        assert ((model.classifier(moved).argmax(1) == y) == kept)[right].all()


@pytest.mark.parametrize("norm", NORMS)
def test_the_last_layers_margins_are_never_worse_than_the_logits_constant(norm):
    model, x = mlp(3, classes=5).eval(), torch.randn(50, 3)
    y = model(x).argmax(1)
    parts = lipschitz_parts(model, layer="encoder.0", norm=norm)
    certificate = certify_lipschitz(model, x, y, layer="encoder.0", norm=norm)
    coarse = lipschitz_radius(model(x).detach(), y, lipschitz=parts.g, norm=norm)
    assert (certificate.latent_radius >= coarse * (1 - 1e-5)).all()
    assert certificate.latent_radius.mean() > 1.02 * coarse.mean()


def test_batches_make_no_difference():
    model, (x, y) = mlp(2, classes=2), data(50)
    whole, parts = (certify_lipschitz(model, x, y, layer="encoder", batch_size=size) for size in (1000, 7))
    assert torch.allclose(whole.latent_radius, parts.latent_radius)


def test_a_head_of_its_own_flattening():
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3)).double()
    x = torch.randn(6, 1, 6).double()
    y = model(x).argmax(1)
    certificate = certify_lipschitz(model, x, y, layer="1")
    exact = linear_head_radius(model[3].weight, model[3].bias, model[:2](x).flatten(1), y)
    assert certificate.form == "closed-form"
    assert torch.equal(certificate.latent_radius, exact)


def test_json_and_accuracy():
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    nn.init.eye_(model[0].weight)
    x, y = torch.tensor([[3.0, 1.0], [0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 0, 0])
    certificate = certify_lipschitz(model, x, y, layer="input")
    assert [round(r, 9) for r in certificate.to_dict()["input_radius"]] == [1.0, 0.0, 0.5]
    assert certificate.accuracy(input_eps=0.0) == Accuracy(2, 3)
    assert certificate.accuracy(input_eps=0.7) == certificate.accuracy(latent_eps=0.7) == Accuracy(1, 3)
    nn.init.zeros_(model[0].weight)
    model[0].bias = nn.Parameter(torch.tensor([1.0, 0.0]))
    constant = certify_lipschitz(model, x, y, layer="input").to_dict()
    assert json.loads(json.dumps(constant, allow_nan=False))["input_radius"] == [None] * 3
    assert constant["loss_slope"] == [0.0] * 3


def test_the_models_state_is_left_alone_and_compiled_models_are_certified():
    model, (x, y) = mlp(2, classes=2), data(20)
    own = certify_lipschitz(model, x, y, layer="encoder")
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    compiled = certify_lipschitz(torch.compile(model, backend="eager"), x, y, layer="encoder")
    assert torch.equal(own.input_radius, compiled.input_radius)
    model.classifier.compile(backend="eager")
    assert torch.equal(own.input_radius, certify_lipschitz(model, x, y, layer="encoder").input_radius)


def test_what_is_certified_is_the_model_in_evaluation_mode():
    model = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2)).eval()
    x, y = data(20)
    own = certify_lipschitz(model, x, y, layer="1")
    model.train()
    statistics = [buffer.clone() for buffer in model.buffers()]
    assert torch.equal(certify_lipschitz(model, x, y, layer="1").latent_radius, own.latent_radius)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(*pair) for pair in zip(model.buffers(), statistics, strict=True))


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.head = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(torch.tanh(self.encoder(x)) + x)


@pytest.mark.parametrize("norm", NORMS)
def test_ways_past_the_latent_count_for_the_input_radius(norm):
    model = Skipping().double()
    x = torch.randn(200, 2).double()
    y = model(x).argmax(1)
    certificate = certify_lipschitz(model, x, y, layer="encoder", norm=norm)
    assert (certificate.input_radius < certificate.latent_radius / certificate.parts.f).all()
    found = attacked(lambda p: cross_entropy(model(p), y, reduction="none"), x, certificate.input_radius, norm)
    assert torch.equal(model(found).argmax(1), y)


def test_assumptions_that_are_not_met_are_refused():
    x, y = torch.randn(3, 2), torch.zeros(3, dtype=torch.long)
    norm_of_batch = nn.BatchNorm2d(4, track_running_stats=False)
    by_batch = nn.Sequential(nn.Conv2d(1, 4, 1), norm_of_batch, nn.Flatten(), nn.Linear(16, 2))
    with pytest.raises(BoundError, match=r"at '1': .*batch's statistics"):
        certify_lipschitz(by_batch, torch.randn(3, 1, 2, 2), y, layer="0")
    with pytest.raises(LayerError, match="submodule"):
        certify_lipschitz(mlp(2, classes=2), x, y, layer="nowhere")
    with pytest.raises(InputError, match="batch_size must be >= 1; found 0"):
        certify_lipschitz(mlp(2, classes=2), x, y, layer="encoder", batch_size=0)


def test_the_slope_of_the_loss_and_its_increase_are_rounded_up():
    model, (x, y) = nn.Sequential(nn.Linear(2, 2), nn.Tanh()), data(1)
    for scale in range(50, 100):
        nn.init.constant_(model[0].weight, scale / 100)
        certificate = certify_lipschitz(model, x, y, layer="input", norm="l2")
        slope = Fraction(certificate.loss_slope.item())
        assert slope**2 >= 2 * Fraction(certificate.parts.g) ** 2
        assert Fraction(certificate.loss_increase(0.1).item()) >= slope * Fraction(0.1)


@pytest.mark.parametrize("convert", [torch.Tensor.bfloat16, torch.Tensor.long, lambda x: (x, x), lambda x: x[:, 0]])
def test_inputs_of_another_kind_are_refused(convert):
    x, y = data(3)
    with pytest.raises(InputError, match=r"x must be a float32 or float64 tensor \[n, \*input\]; found .*: convert it"):
        certify_lipschitz(mlp(2, classes=2), convert(x), y, layer="encoder")


def test_radii_and_increases_refuse_what_makes_no_sense():
    certificate = certify_lipschitz(mlp(2, classes=2), *data(5), layer="encoder")
    for arguments in ({}, {"input_eps": 0.1, "latent_eps": 0.1}):
        with pytest.raises(InputError, match="give input_eps or latent_eps"):
            certificate.accuracy(**arguments)
    with pytest.raises(InputError, match="eps must be >= 0; found -1"):
        certificate.accuracy(input_eps=-1)
    with pytest.raises(InputError, match="eps must be >= 0; found nan"):
        certificate.loss_increase(math.nan)
