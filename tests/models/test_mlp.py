import math

import pytest
import torch

from ratlp.models import INITIALISATIONS, initialise, mlp


@pytest.mark.parametrize("hidden", [(), (32,), (16, 8)])
def test_shapes(hidden):
    net = mlp(2, classes=3, hidden=hidden, latent=5)
    assert net.encoder(torch.randn(7, 2)).shape == (7, 5)
    assert net(torch.randn(7, 2)).shape == (7, 3)


@pytest.mark.parametrize("name", INITIALISATIONS)
def test_the_same_generator_gives_the_same_weights_and_no_global_state_moves(name):
    before = torch.get_rng_state()
    nets = [mlp(2, classes=2) for _ in range(2)]
    torch.set_rng_state(before)
    for net in nets:
        initialise(net, INITIALISATIONS[name], torch.Generator().manual_seed(3))
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_scales():
    net = mlp(400, classes=2, hidden=(400,))
    layer = net.encoder[0]
    spread = {
        "torch": 1 / math.sqrt(3 * 400),
        "glorot": math.sqrt(2 / 800),
        "he": math.sqrt(2 / 400),
    }
    for name, expected in spread.items():
        initialise(net, INITIALISATIONS[name], torch.Generator().manual_seed(3))
        assert layer.weight.std().item() == pytest.approx(expected, rel=0.02)
