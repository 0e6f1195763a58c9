import json
import os
import stat

import pytest
import torch
from safetensors import safe_open
from torch import nn

import ratlp
from ratlp.errors import InputError
from ratlp.models import LATENT_ACTIVATIONS, describe, mlp, register, saving, small_cnn, wide_cnn

NETS = {
    "mlp": lambda: mlp(3, classes=2),
    "mlp without hidden layers": lambda: mlp(3, classes=2, hidden=(), latent=1, latent_activation=nn.Tanh),
    "small": lambda: small_cnn((1, 8, 8)),
    "small, colour": lambda: small_cnn((3, 6, 9), classes=3),
    "wide": lambda: wide_cnn((1, 8, 8)),
    "wide, narrow": lambda: wide_cnn((2, 5, 4), classes=3, widths=(4,), hidden=5),
}


class Tied(nn.Module):
    """Two names for one weight, a buffer that a file holds and one that it does not."""

    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width, bias=False)
        self.second.weight = self.first.weight
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("scale", torch.full((width,), 2.0), persistent=False)

    def forward(self, x):
        return self.second(self.first(x)) * self.scale


@register("tests.tied")
def tied(width):
    return Tied(width)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def trained(net):
    """A net whose every tensor, BatchNorm's statistics included, has moved."""
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    shape = net.image if hasattr(net, "image") else (3,)
    for _ in range(2):
        optimiser.zero_grad()
        net(torch.rand(4, *shape)).square().sum().backward()
        optimiser.step()
    return net


@pytest.mark.parametrize("make", NETS.values(), ids=NETS)
def test_every_architecture_comes_back_bit_for_bit(make, path):
    net = trained(make())
    ratlp.save(net, path)
    back = ratlp.load(path)
    assert str(back) == str(net)
    before, after = net.state_dict(), back.state_dict()
    assert before.keys() == after.keys()
    for name in before:
        assert torch.equal(before[name], after[name])
        assert before[name].dtype == after[name].dtype
    x = torch.rand(4, *(net.image if hasattr(net, "image") else (3,)))
    assert torch.equal(back(x), net.eval()(x))


def test_the_statistics_of_batchnorm_are_those_of_training(path):
    net = trained(wide_cnn((1, 8, 8)))
    ratlp.save(net, path)
    norm = ratlp.load(path).features[1]
    assert norm.num_batches_tracked == 2
    assert torch.equal(norm.running_mean, net.features[1].running_mean)
    assert not torch.equal(norm.running_mean, torch.zeros(32))


@pytest.mark.parametrize("name", LATENT_ACTIVATIONS)
def test_the_latent_activation_comes_back(name, path):
    ratlp.save(mlp(3, classes=2, latent_activation=LATENT_ACTIVATIONS[name]), path)
    assert type(ratlp.load(path).encoder[-1]) is type(LATENT_ACTIVATIONS[name]())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_types_come_back(dtype, path):
    net = wide_cnn((1, 8, 8)).to(dtype)
    ratlp.save(net, path)
    back = ratlp.load(path)
    assert {p.dtype for p in back.parameters()} == {dtype}
    assert back.features[1].running_var.dtype == dtype
    assert back.features[1].num_batches_tracked.dtype == torch.int64
    x = torch.rand(2, 64, dtype=dtype)
    assert torch.equal(back(x), net.eval()(x))


def test_several_types_in_one_net_come_back(path):
    net = mlp(3, classes=2)
    net.encoder.double()
    ratlp.save(net, path)
    back = ratlp.load(path)
    assert (back.encoder[0].weight.dtype, back.classifier.weight.dtype) == (torch.float64, torch.float32)


def test_tied_weights_are_written_once_and_stay_tied(path):
    net = tied(3).double()
    net.count += 7
    ratlp.save(net, path)
    with safe_open(path, "pt") as file:
        assert sorted(file.keys()) == ["count", "first.bias", "first.weight"]
    back = ratlp.load(path)
    assert back.first.weight is back.second.weight
    assert torch.equal(back.first.weight, net.first.weight)
    assert back.first.weight.dtype == torch.float64
    assert back.count == 7
    assert back.scale.tolist() == [2, 2, 2]


def test_memory_that_is_shared_or_not_contiguous_is_written_whole(path):
    net = small_cnn((1, 8, 8)).to(memory_format=torch.channels_last)
    both = torch.rand(2, 100)
    net.features[5].bias.data, net.features[0].bias.data = both[0], both[0, :16]
    net.classifier.weight.data = torch.rand(100, 10).T
    ratlp.save(net, path)
    for name, value in ratlp.load(path).state_dict().items():
        assert torch.equal(value, net.state_dict()[name]), name


def test_the_model_and_the_random_state_are_left_alone(path):
    net = trained(wide_cnn((1, 8, 8)))
    frozen = net.classifier.weight.requires_grad_(False)
    grads = [p.grad for p in net.parameters()]
    state = {name: value.clone() for name, value in net.state_dict().items()}
    random = torch.get_rng_state()
    ratlp.save(net, path)
    ratlp.load(path)
    assert torch.equal(torch.get_rng_state(), random)
    assert net.training
    assert not frozen.requires_grad
    assert all(p.grad is grad for p, grad in zip(net.parameters(), grads, strict=True))
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_a_loaded_net_is_in_eval_mode_can_be_trained_and_saved_again(path):
    ratlp.save(wide_cnn((1, 8, 8)), path)
    back = ratlp.load(path)
    assert not any(module.training for module in back.modules())
    assert all(p.requires_grad for p in back.parameters())
    ratlp.save(trained(back.train()), path)
    assert ratlp.load(path).features[1].num_batches_tracked == 2


def test_the_file_does_not_hold_the_loaded_net(path):
    ratlp.save(mlp(3, classes=2), path)
    back = ratlp.load(path)
    before = path.read_bytes()
    with torch.no_grad():
        back.classifier.weight.zero_()
    assert path.read_bytes() == before


def test_what_the_header_says(path):
    ratlp.save(small_cnn((1, 8, 8)), path, notes={"data": "digits", "eps": "0.1"})
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert metadata.keys() == {"ratlp"}
    assert json.loads(metadata["ratlp"]) == {
        "schema": "ratlp.model/1",
        "ratlp_version": ratlp.__version__,
        "architecture": "small_cnn",
        "arguments": {"image": [1, 8, 8], "classes": 10},
        "notes": {"data": "digits", "eps": "0.1"},
    }
    described = describe(path)
    assert described.architecture.name == "small_cnn"
    assert described.architecture.arguments == {"image": (1, 8, 8), "classes": 10}
    assert described.notes == {"data": "digits", "eps": "0.1"}
    assert described.ratlp_version == ratlp.__version__


def test_the_same_net_gives_the_same_bytes(tmp_path):
    net = wide_cnn((1, 8, 8))
    for name in ("a", "b"):
        ratlp.save(net, tmp_path / f"{name}.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_the_path_may_be_text_and_the_file_has_the_usual_rights(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    try:
        ratlp.save(mlp(3, classes=2), "net.safetensors")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "net.safetensors").stat().st_mode) == 0o644
    assert [p.name for p in tmp_path.iterdir()] == ["net.safetensors"]
    assert isinstance(ratlp.load("net.safetensors"), nn.Module)


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_write_that_fails_leaves_the_earlier_file_and_nothing_else(step, error, path, monkeypatch):
    ratlp.save(mlp(3, classes=2), path)
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (type(path), "replace")), fail)
    expected = InputError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(expected, match="No space left on device: make room" if expected is InputError else None):
        ratlp.save(mlp(4, classes=2), path)
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_the_name_holds_the_old_file_until_the_new_one_is_whole(path, monkeypatch):
    ratlp.save(mlp(3, classes=2), path)
    before = path.read_bytes()
    seen = []
    sync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda stream: (seen.append(path.read_bytes()), sync(stream)))
    ratlp.save(mlp(4, classes=2), path)
    assert seen == [before]
    assert path.read_bytes() != before


@pytest.mark.parametrize("place", ["missing/net.safetensors", "file/net.safetensors", "folder.safetensors"])
def test_a_place_that_cannot_be_written_is_refused(place, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(InputError, match=rf"the model must be written to .*{place}; found .*: make room or choose"):
        ratlp.save(mlp(3, classes=2), tmp_path / place)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.safetensors"]


@pytest.mark.parametrize("name", ["net", "net.pt", "net.safetensors.bak"])
def test_another_suffix_is_refused(name, tmp_path):
    with pytest.raises(InputError, match=rf"must end in .safetensors, whose format is written; found .*{name}: rename"):
        ratlp.save(mlp(3, classes=2), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def argument_of_any_kind(value):
    return nn.Linear(1, 1)


@pytest.mark.parametrize("value", [None, True, 1.5, "ü", [1, (2, None)], {"a": [1]}], ids=str)
def test_arguments_that_json_keeps_come_back(value, path):
    ratlp.save(register("tests.any")(argument_of_any_kind)(value), path)
    kept = describe(path).architecture.arguments["value"]
    assert kept == ((1, (2, None)) if isinstance(value, list) else {"a": (1,)} if isinstance(value, dict) else value)
    ratlp.load(path)


def test_the_default_device_and_type_do_not_matter(path):
    net = mlp(3, classes=2)
    ratlp.save(net, path)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            back = saving.load(path)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(back.classifier.weight, net.classifier.weight)
    assert back.classifier.weight.dtype == torch.float32
