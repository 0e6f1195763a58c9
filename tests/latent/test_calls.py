import pytest
import torch
from torch import nn

from ratlp.latent.calls import is_compiled, stepping_in, uncompiled


def doubling(module, original, args, kwargs):
    return 2 * original(*args, **kwargs)


@pytest.mark.parametrize("prepare", [lambda m: m, lambda m: m.compile(backend="eager") or m])
def test_calls_go_to_the_handler_and_everything_is_put_back(prepare):
    layer, x = prepare(nn.Linear(2, 3)), torch.ones(4, 2)
    before, plain = dict(vars(layer)), layer(x)
    with stepping_in({layer: doubling}):
        assert torch.equal(layer(x), 2 * plain)
    assert vars(layer) == before
    assert torch.equal(layer(x), plain)


def test_put_back_when_the_block_raises():
    layer = nn.Linear(2, 3)
    before = dict(vars(layer))
    with pytest.raises(KeyboardInterrupt), stepping_in({layer: doubling}):
        raise KeyboardInterrupt
    assert vars(layer) == before


def test_hooks_run_inside_the_original():
    layer = nn.Linear(2, 3)
    layer.register_forward_hook(lambda module, args, output: output + 1)
    with stepping_in({layer: lambda module, original, args, kwargs: "answer"}):
        assert layer(torch.ones(2)) == "answer"
    plain = nn.functional.linear(torch.ones(2), layer.weight, layer.bias)
    with stepping_in({layer: doubling}):
        assert torch.allclose(layer(torch.ones(2)), 2 * (plain + 1))


def test_what_is_compiled():
    layer = nn.Linear(2, 3)
    wrapper = torch.compile(layer, backend="eager")
    assert not is_compiled(layer)
    assert is_compiled(wrapper)
    assert uncompiled(wrapper) is layer
    layer.compile(backend="eager")
    assert is_compiled(layer)
