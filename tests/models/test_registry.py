import copy

import numpy as np
import pytest
import torch
from torch import nn

from ratlp.errors import InputError
from ratlp.models import LATENT_ACTIVATIONS, architecture_of, mlp, register, small_cnn, stack, unstack
from ratlp.models.registry import build, encode


def test_defaults_are_recorded_too():
    found = architecture_of(mlp(2, classes=3, hidden=[4, 5]))
    assert found.name == "mlp"
    assert found.arguments == {
        "features": 2,
        "classes": 3,
        "hidden": (4, 5),
        "latent": 8,
        "latent_activation": nn.Identity,
    }


def test_what_the_caller_changes_later_does_not_show():
    hidden = [4]
    net = mlp(2, classes=2, hidden=hidden)
    hidden.append(5)
    assert architecture_of(net).arguments["hidden"] == (4,)


def test_arguments_that_are_nested_deep_are_refused():
    deep = []
    for _ in range(30):
        deep = [deep]
    with pytest.raises(InputError, match="nested at most 20 deep; found deeper"):
        register("tests.deep")(lambda value: nn.Identity())(deep)


def test_numpys_whole_numbers_become_plain_ones():
    arguments = architecture_of(mlp(np.int64(2), classes=np.uint8(2))).arguments
    assert type(arguments["features"]) is type(arguments["classes"]) is int


def test_a_copy_remembers_and_a_wrapper_does_not():
    net = small_cnn()
    assert architecture_of(copy.deepcopy(net)) == architecture_of(net)
    assert architecture_of(nn.Sequential(net)) is None
    assert architecture_of(torch.compile(net, backend="eager")) is None


def test_a_net_from_a_stack_remembers():
    nets = [mlp(3, classes=2) for _ in range(2)]
    assert architecture_of(unstack(stack(nets), nets[0], 1)) == architecture_of(nets[0])


@pytest.mark.parametrize("name", LATENT_ACTIVATIONS)
def test_an_activation_is_written_by_its_name(name):
    net = mlp(2, classes=2, latent_activation=LATENT_ACTIVATIONS[name])
    arguments = encode(architecture_of(net))
    assert arguments["latent_activation"] == name
    assert str(build("mlp", arguments)) == str(net)


def test_an_activation_without_a_name_still_builds_but_cannot_be_written():
    net = mlp(2, classes=2, latent_activation=nn.GELU)
    with pytest.raises(InputError, match=r"mlp's latent_activation must be one of .* none, relu, tanh.*GELU.*register"):
        encode(architecture_of(net))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("nonsense", {}, r"must be one of .*mlp, small_cnn.*; found 'nonsense': import the module"),
        ("mlp", {"features": 2, "classes": 2, "depth": 1}, r"mlp takes features, classes.*; found \['depth'\]"),
        ("mlp", {"features": 2}, "mlp must be built with arguments that fit; found .*'classes'"),
        ("mlp", {"features": "2", "classes": 2}, "found features must be a whole number >= 1; found '2'"),
        ("mlp", {"features": 2, "classes": 2, "hidden": 3}, "found .*int"),
        ("mlp", {"features": 2, "classes": 2, "latent_activation": "gelu"}, "must be one of none, relu, tanh; found"),
        ("mlp", {"features": 2, "classes": 2, "latent_activation": ["relu"]}, "must be one of none, relu, tanh; found"),
        ("small_cnn", {"image": [1, 2, 2]}, "small_cnn must be built .* at least 4 x 4"),
    ],
)
def test_what_cannot_be_built_is_refused(name, arguments, message):
    with pytest.raises(InputError, match=message):
        build(name, arguments)


def test_sequences_reach_the_builder_as_tuples():
    seen = []

    @register("tests.sequences")
    def sequences(shape):
        seen.append(shape)
        return nn.Identity()

    build("tests.sequences", {"shape": [1, [2, 3]]})
    assert seen == [(1, (2, 3))]


def test_a_method_that_calls_another_builder_is_recorded_by_its_own_name():
    @register("tests.outer")
    def outer(width):
        return mlp(2, classes=2, hidden=(width,))

    assert architecture_of(outer(3)).name == "tests.outer"
    assert (outer.__name__, outer(width=3).encoder[0].out_features) == ("outer", 3)


def test_registering_the_same_builder_again_replaces_it():
    for width in (3, 4):

        @register("tests.again")
        def again(width=width):
            return nn.Linear(1, width)

    assert build("tests.again", {}).out_features == 4


def test_a_taken_name_is_refused():
    with pytest.raises(InputError, match=r"must be free; found 'mlp', which is ratlp.models.mlp.mlp: choose"):

        @register("mlp")
        def another():
            return nn.Identity()

    assert build("mlp", {"features": 1, "classes": 2}).classifier.out_features == 2


@pytest.mark.parametrize(
    ("builder", "found"),
    [(lambda *widths: None, r"'\*widths'"), (lambda **options: None, r"'\*\*options'"), (lambda x, /: None, "'x'")],
)
def test_arguments_without_a_name_are_refused(builder, found):
    with pytest.raises(InputError, match=f"must each have a name, for a file to say them; found {found} in"):
        register("tests.nameless")(builder)


def test_a_builder_that_returns_no_module_is_told():
    with pytest.raises(InputError, match=r"'tests.nothing' must return a torch.nn.Module; found NoneType"):
        register("tests.nothing")(lambda: None)()
