import copy

import pytest
import torch
from objective.literal_objective import assert_same, literal_loss
from torch import nn

from ratlp import RATLP
from ratlp.attacks import FGSM, PGD
from ratlp.losses import TRADES, AdversarialOnly
from ratlp.models import EncoderClassifier
from ratlp.objective.gradient_scale import GradientScale
from ratlp.perturbations import L2, LInf, rms_per_sample


def model_and_batch():
    model = EncoderClassifier(
        nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 8)),
        nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 3)),
    )
    return model, torch.randn(32, 6), torch.randint(3, (32,))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_with_grad_scaler_matches_float32(dtype):
    model, x, y = model_and_batch()
    twin = copy.deepcopy(model)
    scaler = torch.amp.GradScaler("cpu")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    with torch.autocast("cpu", dtype=dtype):
        out = RATLP(model, layer="encoder", eps=0.1)(x, y)
    scaler.scale(out.loss).backward()
    scaler.unscale_(optimiser)
    literal_loss(twin.encoder, twin.classifier, x, y, eps=0.1, weight=1.0).backward()
    assert_same([p.grad for p in model.parameters()], [p.grad for p in twin.parameters()], relative=0.1)
    scaler.step(optimiser)
    scaler.update()


def test_float16_gradients_do_not_underflow():
    # Well-classified samples in a large batch: gradients of about 1e-9 in the latent, below float16's 6e-8.
    model = EncoderClassifier(nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2)))
    with torch.no_grad():
        model.classifier[1].bias.copy_(torch.tensor([12.0, 0.0]))
    x, y = torch.randn(4096, 2), torch.zeros(4096, dtype=torch.int64)
    with torch.autocast("cpu", dtype=torch.float16):
        out = RATLP(model, layer="encoder", eps=0.1)(x, y)
    assert (out.delta != 0).float().mean() > 0.99
    torch.amp.GradScaler("cpu", init_scale=2.0**20).scale(out.loss).backward()
    assert model.encoder.weight.grad.abs().min() > 0


def test_scale_halves_after_an_overflow_and_the_infinity_is_handed_on():
    scale = GradientScale()
    latent = torch.ones(3, dtype=torch.float16, requires_grad=True)
    (gradient,) = scale.gradients((latent * 1000).sum(), [latent])
    assert gradient.isinf().all()
    before = float(scale._scale)
    assert before == 2.0**14
    while not gradient.isfinite().all():
        (gradient,) = scale.gradients((latent * 1000).sum(), [latent])
    assert torch.equal(gradient, torch.full((3,), 1000.0))


def test_scale_doubles_after_the_growth_interval(monkeypatch):
    monkeypatch.setattr(GradientScale, "growth_interval", 3)
    scale = GradientScale()
    latent = torch.ones(3, dtype=torch.float16, requires_grad=True)
    for _ in range(3):
        scale.gradients(latent.float().mean(), [latent])
    assert float(scale._scale) == 2.0**16


def test_float32_is_not_scaled():
    latent = torch.ones(3, requires_grad=True)
    (gradient,) = GradientScale().gradients((latent * 3).sum(), [latent])
    assert torch.equal(gradient, torch.full((3,), 3.0))


def cnn(confidence=0.0):
    """A CNN that is more or less sure of class 0, whose mean over pixels makes small gradients."""
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3, padding=1), nn.Tanh()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2)),
    )
    with torch.no_grad():
        model[6].bias.copy_(torch.tensor([confidence, 0.0]))
    return model


def images(size=8):
    return torch.randn(16, 3, size, size), torch.arange(16) % 2


def flat(model):
    return torch.cat([p.grad.flatten() for p in model.parameters()])


CLIMBS = [PGD(steps=3, random_start=False), PGD(steps=3, random_start=False, keep_best=False)]
SETS = [LInf(0.1), LInf(0.1, relative_to=rms_per_sample), L2(0.5)]
each_dtype = pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])


@pytest.mark.parametrize(("dtype", "relative"), [(torch.bfloat16, 0.05), (torch.float16, 0.01)])
@pytest.mark.parametrize("maximiser", [FGSM(), *CLIMBS], ids=repr)
@pytest.mark.parametrize("loss", [None, AdversarialOnly()], ids=repr)
@pytest.mark.parametrize("perturbation", SETS, ids=repr)
def test_mid_layer_gradients_are_near_those_of_float32(dtype, relative, maximiser, loss, perturbation):
    model = cnn()
    twin = copy.deepcopy(model)
    x, y = images()
    optimiser, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    options = {"layer": "1", "perturbation": perturbation, "maximiser": maximiser, "loss": loss}

    with torch.autocast("cpu", dtype=dtype):
        out = RATLP(model, **options)(x, y)
    scaler.scale(out.loss).backward()
    scaler.unscale_(optimiser)
    expected = RATLP(twin, **options)(x, y)
    expected.loss.backward()

    rise, wanted = ((o.adversarial_loss - o.clean_loss).item() for o in (out, expected))
    assert rise == pytest.approx(wanted, rel=0.05)
    assert (flat(model) - flat(twin)).norm() <= relative * flat(twin).norm()


@each_dtype
@pytest.mark.parametrize("maximiser", CLIMBS, ids=repr)
def test_training_with_a_grad_scaler_skips_no_step_and_learns(dtype, maximiser):
    model, (x, y) = cnn(), images()
    objective = RATLP(model, layer="1", eps=0.1, maximiser=maximiser)
    optimiser, scaler = torch.optim.Adam(model.parameters(), lr=0.01), torch.amp.GradScaler("cpu")
    losses = []
    for _ in range(10):
        optimiser.zero_grad()
        with torch.autocast("cpu", dtype=dtype):
            out = objective(x, y)
        scaler.scale(out.loss).backward()
        scaler.step(optimiser)
        scaler.update()
        losses.append(float(out.loss.detach()))
    assert scaler.get_scale() == 2.0**16  # no overflow
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("maximiser", [FGSM(), *CLIMBS], ids=repr)
def test_an_overflow_in_float16_skips_the_step(maximiser):
    model, (x, y) = cnn(), images()
    before = copy.deepcopy(model.state_dict())
    optimiser, scaler = torch.optim.SGD(model.parameters(), lr=0.1), torch.amp.GradScaler("cpu")
    with torch.autocast("cpu", dtype=torch.float16):
        out = RATLP(model, layer="3", eps=0.1, maximiser=maximiser)(1e6 * x, y)
    scaler.scale(out.loss * float("inf")).backward()
    scaler.step(optimiser)
    scaler.update()
    assert scaler.get_scale() == 2.0**15
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]), name


@each_dtype
def test_perturbations_have_the_latents_type_and_stay_in_the_set(dtype):
    model, (x, y) = cnn(), images()
    with torch.autocast("cpu", dtype=dtype):
        out = RATLP(model, layer="1", perturbation=L2(0.5), maximiser=PGD(steps=3))(x, y)
    assert out.delta.dtype == out.latent.dtype == dtype
    assert (out.delta.double().flatten(1).norm(dim=1) <= 0.5 * (1 + torch.finfo(dtype).eps)).all()


class TestUnderflow:
    """Gradients below 6e-8 vanish in float16: PGD must see them all the same."""

    def at_the_edge(self, *, size, confidence, loss=None, maximiser, enabled=True):
        torch.manual_seed(0)
        x, _ = images(size)
        y = torch.zeros(16, dtype=torch.int64)
        with torch.autocast("cpu", dtype=torch.float16, enabled=enabled):
            out = RATLP(cnn(confidence), layer="1", eps=0.1, maximiser=maximiser, loss=loss)(x, y)
        return float((out.delta.abs() > 0.0999).float().mean())

    @pytest.mark.parametrize("maximiser", [*CLIMBS, PGD(steps=3)], ids=repr)
    def test_on_a_small_latent(self, maximiser):
        assert self.at_the_edge(size=8, confidence=4.0, maximiser=maximiser) > 0.95

    def test_on_a_large_latent_with_one_step(self):
        assert self.at_the_edge(size=56, confidence=8.0, maximiser=FGSM()) > 0.95

    @pytest.mark.parametrize("maximiser", [CLIMBS[0], PGD(steps=3)], ids=repr)
    def test_on_a_large_latent(self, maximiser):
        found, expected = (
            self.at_the_edge(size=56, confidence=8.0, maximiser=maximiser, enabled=enabled) for enabled in (True, False)
        )
        assert found > expected - 0.05 > 0.9  # the rest is float16's rounding

    def test_of_the_divergence(self):
        assert self.at_the_edge(size=56, confidence=0.0, maximiser=PGD(steps=3), loss=TRADES()) > 0.3
