import copy

import pytest
import torch
from objective.literal import assert_same, literal_loss
from torch import nn

from ratlp import RATLP
from ratlp.models import EncoderClassifier
from ratlp.objective.gradient_scale import GradientScale


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
    assert before == 2.0**15
    while not gradient.isfinite().all():
        (gradient,) = scale.gradients((latent * 1000).sum(), [latent])
    assert torch.equal(gradient, torch.full((3,), 1000.0))


def test_scale_doubles_after_the_growth_interval(monkeypatch):
    monkeypatch.setattr(GradientScale, "growth_interval", 3)
    scale = GradientScale()
    latent = torch.ones(3, dtype=torch.float16, requires_grad=True)
    for _ in range(3):
        scale.gradients(latent.float().mean(), [latent])
    assert float(scale._scale) == 2.0**17


def test_float32_is_not_scaled():
    latent = torch.ones(3, requires_grad=True)
    (gradient,) = GradientScale().gradients((latent * 3).sum(), [latent])
    assert torch.equal(gradient, torch.full((3,), 3.0))
