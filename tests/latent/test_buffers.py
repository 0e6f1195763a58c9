import pytest
import torch
from torch import nn

from ratlp.latent.buffers import Watch, buffers_held


class Counting(nn.Module):
    """Exchanges its buffer for another instead of writing to it."""

    def __init__(self):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("nothing", None)

    def forward(self, x):
        self.count = self.count + 1
        return x


def test_what_changes_is_found_and_what_does_not_is_not():
    model = nn.Sequential(nn.BatchNorm1d(4), nn.InstanceNorm1d(4, track_running_stats=True), Counting())
    watch = Watch(model)
    model(torch.randn(6, 4, 5))
    assert {type(module) for module, _ in watch.changed()} == {type(module) for module in model}
    model[:2].eval()
    watch = Watch(model)
    model(torch.randn(6, 4, 5))
    assert {type(module) for module, _ in watch.changed()} == {Counting}


def test_held_buffers_come_back_bit_for_bit_and_the_forward_computes_the_same():
    model, x = nn.Sequential(nn.BatchNorm1d(4), Counting()), torch.randn(6, 4)
    before = [buffer.clone() for buffer in model.buffers()]
    objects = list(model.buffers())
    with buffers_held(model):
        held = model(x)
        assert model[1].count == 1
    assert all(torch.equal(a, b) for a, b in zip(before, model.buffers(), strict=True))
    assert all(a is b for a, b in zip(objects, model.buffers(), strict=True))
    assert torch.equal(held, model(x))


def test_they_come_back_when_the_block_raises():
    model = nn.BatchNorm1d(4)
    objects = list(model.buffers())
    with pytest.raises(KeyboardInterrupt), buffers_held(model):
        raise KeyboardInterrupt
    assert all(a is b for a, b in zip(objects, model.buffers(), strict=True))


def test_backward_after_the_block_finds_what_it_saved():
    model, x = nn.BatchNorm1d(4), torch.randn(6, 4, requires_grad=True)
    with buffers_held(model):
        out = model(x)
    model(x)
    out.square().sum().backward()
    assert x.grad is not None
