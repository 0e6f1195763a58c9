import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import ratlp
from ratlp.errors import InputError
from ratlp.models import mlp, register, small_cnn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


def edited_activation(net):
    net.features[1] = nn.Tanh()


def edited_stride(net):
    net.features[2].stride = (1, 1)


def added_layer(net):
    net.extra = nn.Dropout()


def parametrised(net):
    parametrizations.weight_norm(net.classifier)


def another_head(net):
    net.classifier = nn.Linear(100, 3)


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (edited_activation, r"Tanh\(\) in place of ReLU\(\) at 'features.1'"),
        (edited_stride, r"stride=\(1, 1\).* in place of Conv2d.* at 'features.2'"),
        (added_layer, r"Dropout.* in place of nothing at 'extra'"),
        (parametrised, r"ParametrizedLinear.* in place of Linear.* at 'classifier'"),
        (another_head, r"out_features=3.* in place of Linear.* at 'classifier'"),
    ],
)
def test_a_net_that_was_changed_is_refused(edit, found, path):
    net = small_cnn((1, 8, 8))
    edit(net)
    with pytest.raises(InputError, match=f"as its builder small_cnn makes it.*; found .*{found}: register"):
        ratlp.save(net, path)
    assert not path.exists()


def test_a_tensor_that_was_changed_is_refused(path):
    net = small_cnn((1, 8, 8))
    net.classifier.weight = nn.Parameter(torch.rand(9, 100))
    net.classifier.register_buffer("mask", torch.ones(1))
    message = r"unexpected: classifier.mask; of another shape or type: classifier.weight \(\[9, 100\] float32 in place"
    with pytest.raises(InputError, match=message):
        ratlp.save(net, path)


def test_a_model_of_unknown_architecture_is_refused_with_the_ways_out(path):
    net = mlp(2, classes=2)
    for model in (nn.Linear(2, 2), nn.Sequential(net), torch.compile(net, backend="eager")):
        found = type(model).__name__
        with pytest.raises(InputError, match=f"found {found}, which does not.*ratlp.models.register.*factory"):
            ratlp.save(model, path)


def test_what_is_no_module_is_refused(path):
    with pytest.raises(InputError, match=r"must be a torch.nn.Module; found OrderedDict: give the net itself"):
        ratlp.save(nn.Linear(2, 2).state_dict(), path)


@pytest.mark.parametrize(
    "value",
    [object(), {1: "a"}, float("nan"), torch.ones(1), {"a": "b" * 10_000}],
    ids=["object", "keys", "nan", "tensor", "long"],
)
def test_arguments_that_json_does_not_keep_are_refused(value, path):
    net = register("tests.unsaveable")(argument_of_any_kind)(value)
    with pytest.raises(
        InputError, match=r"tests.unsaveable's arguments must be plain values that JSON keeps, .*; found .*va"
    ):
        ratlp.save(net, path)


def argument_of_any_kind(value):
    return nn.Linear(1, 1)


@pytest.mark.parametrize("notes", [{"eps": 0.1}, {1: "a"}])
def test_notes_that_are_no_texts_are_refused(notes, path):
    with pytest.raises(InputError, match=r"notes must be texts by name; found .*: use str\(\)"):
        ratlp.save(mlp(3, classes=2), path, notes=notes)


def test_notes_that_are_too_long_are_refused(path):
    with pytest.raises(
        InputError, match=r"notes must leave the header at most 100000 characters; found 100\d\d\d: keep"
    ):
        ratlp.save(mlp(3, classes=2), path, notes={"a": "b" * 100_000})


def test_a_type_that_a_file_cannot_hold_is_refused(path):
    net = register("tests.complex")(complex_layer)()
    with pytest.raises(InputError, match=r"of the types .*torch.float32.*; found weight, which is torch.complex64: co"):
        ratlp.save(net, path)


def complex_layer():
    return nn.Linear(1, 1, dtype=torch.complex64)


def test_a_net_on_the_meta_device_is_refused(path):
    with torch.device("meta"):
        net = mlp(3, classes=2)
    with pytest.raises(InputError, match=r"found encoder.0.weight, which is on the meta device"):
        ratlp.save(net, path)
