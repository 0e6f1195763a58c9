import pytest
import torch
from torch import nn

from ratlp.latent.calls import is_compiled, last_taken, stepping_in, uncompiled


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


class InPlace(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(2, 3), nn.Linear(3, 2)

    def forward(self, x):
        z = self.first(x)
        logits = self.last(input=z)
        z.zero_()
        return logits


def compiled(model):
    model.compile(backend="eager")
    return model


def part_compiled(model):
    model.last = torch.compile(model.last, backend="eager")
    return model


WAYS = [lambda m: m, compiled, part_compiled, lambda m: torch.compile(m, backend="eager")]


@pytest.mark.parametrize("prepare", WAYS, ids=["plain", "compiled", "part", "wrapped"])
def test_what_was_taken_last_is_seen_in_code_that_was_compiled_before_and_kept_from_what_comes_after(prepare):
    plain, x = InPlace(), torch.randn(5, 2)
    with torch.no_grad():
        model = prepare(plain)
        model(x)
        taken = plain.first(x)
    before = [dict(vars(module)) for module in model.modules()]
    found = last_taken(model, list(model.modules()), x)
    assert torch.equal(found, taken)
    assert not found.requires_grad
    assert torch.equal(last_taken(model, [uncompiled(model)], {"x": x}), x)
    assert [dict(vars(module)) for module in model.modules()] == before


def test_what_is_not_called_or_given_no_tensor_takes_nothing():
    model, x = InPlace(), torch.randn(5, 2)
    assert last_taken(model, [nn.Linear(2, 2)], x) is None
    assert last_taken(model, [], x) is None

    class Deaf(nn.Linear):
        def forward(self, x=None):
            return self.weight

    class Around(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.deaf = nn.Linear(2, 2), Deaf(2, 2)

        def forward(self, x):
            return self.inner(x) + self.deaf()

    around = Around()
    assert torch.equal(last_taken(around, [around.inner], x[:2]), x[:2])
    assert last_taken(around, [around.inner, around.deaf], x[:2]) is None
