"""Files that are not what they should be: each is refused in one line, and none is given memory or trust."""

import json
import pickle
import tracemalloc

import pytest
import torch
from hypothesis import given, settings, strategies as st
from safetensors.torch import load_file, save, save_file
from torch import nn

import ratlp
from ratlp.errors import InputError
from ratlp.models import describe, mlp, small_cnn, weights

NET = {"features": 3, "classes": 2, "hidden": [4], "latent": 8, "latent_activation": "relu"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("weights") / "damaged.safetensors"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The bytes of a good file."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("whole") / "net.safetensors"
    ratlp.save(mlp(3, classes=2, hidden=(4,)), path)
    return path.read_bytes()


def written(path, tensors=None, *, text=None, **changes):
    """A file as an attacker or another program could write it."""
    tensors = mlp(3, classes=2, hidden=(4,)).state_dict() if tensors is None else tensors
    fields = {
        "schema": "ratlp.model/1",
        "ratlp_version": "0.1.0",
        "architecture": "mlp",
        "arguments": NET,
        "notes": {},
    }
    fields = {key: value for key, value in (fields | changes).items() if value != "left out"}
    path.write_bytes(save(tensors, {"ratlp": json.dumps(fields) if text is None else text}))
    return path


def refusal(path):
    with pytest.raises(InputError) as caught:
        ratlp.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 1000
    return message


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found]
    return found


def message_or_none(path):
    try:
        ratlp.load(path)
    except InputError as error:
        return str(error)
    return None


def test_the_helper_writes_a_good_file(path):
    assert ratlp.load(written(path)).encoder[0].out_features == 4


def test_a_missing_file(path):
    assert refusal(path) == f"weights must be a .safetensors file; found no file {path}: check the path"


def test_a_folder(tmp_path):
    assert f"found no file, but something else, at {tmp_path}: check" in refusal(tmp_path)


def test_a_file_that_may_not_be_read(path, monkeypatch):
    def closed(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(weights, "safe_open", closed)
    assert refusal(written(path)) == f"weights must be readable; found {path} (Permission denied): check it"


def test_every_truncation_is_refused(whole, scratch):
    for length in range(len(whole)):
        scratch.write_bytes(whole[:length])
        message = refusal(scratch)
        assert "must be a whole .safetensors file; found" in message
        assert message.endswith("copy or save it again")


@settings(max_examples=100)
@given(st.data())
def test_damage_gives_a_net_of_the_same_shape_or_one_line(whole, scratch, data):
    content = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    scratch.write_bytes(content)
    message = message_or_none(scratch)
    assert message is None or "\n" not in message
    if message is None:
        assert ratlp.load(scratch)(torch.rand(1, 3)).shape == (1, 2)


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"hello, world", b"\x93NUMPY", b"\xff" * 32, b"PK\x03\x04zip"])
def test_files_of_another_kind(content, path):
    path.write_bytes(content)
    assert "cut off, damaged or of another kind" in refusal(path)


@pytest.mark.parametrize("name", ["net.pt", "net.safetensors"])
@pytest.mark.parametrize("new", [False, True])
def test_what_torch_save_writes_is_refused_as_a_pickle(name, new, tmp_path):
    torch.save(mlp(3, classes=2).state_dict(), tmp_path / name, _use_new_zipfile_serialization=new)
    message = refusal(tmp_path / name)
    assert f"{name}, a pickle, which can run any code when it is opened" in message


@pytest.mark.parametrize("protocol", range(2, 6))
def test_a_pickle_is_not_opened(protocol, path):
    path.write_bytes(pickle.dumps(Bomb(path.parent / "exploded"), protocol))
    assert "a pickle, which can run any code" in refusal(path)
    assert not (path.parent / "exploded").exists()


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".ckpt", ".bin"])
def test_a_truncated_pickle_is_known_by_its_suffix(suffix, path):
    path.with_suffix(suffix).write_bytes(b"\x00\x01")
    assert "a pickle" in refusal(path.with_suffix(suffix))


class Bomb:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return (type(self.trace).touch, (self.trace,))


def test_weights_without_a_header_of_ours(path):
    save_file(mlp(3, classes=2).state_dict(), path)
    assert "must be a file by ratlp.save, whose header says how it is built" in refusal(path)
    assert "package.module:factory" in refusal(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": "left out"}, "must have the schema ratlp.model/1; found 'None': use the version"),
        ({"schema": "ratlp.model/2"}, "must have the schema ratlp.model/1; found 'ratlp.model/2'"),
        ({"notes": "left out"}, "header must have just its fields; found ['notes'] missing, [] unknown"),
        ({"code": "import os"}, "found [] missing, ['code'] unknown"),
        ({"architecture": "resnet"}, "found 'resnet': import the module that registers it first"),
        ({"architecture": "os:system"}, "found 'os:system': import the module"),
        ({"architecture": 3}, "must hold texts, and arguments by name; found others"),
        ({"architecture": ["mlp"]}, "must hold texts, and arguments by name; found others"),
        ({"ratlp_version": None}, "must hold texts, and arguments by name; found others"),
        ({"arguments": []}, "must hold texts, and arguments by name; found others"),
        ({"notes": []}, "must hold texts, and arguments by name; found others"),
        ({"notes": {"1": 1}}, "must hold texts, and arguments by name; found others"),
        ({"arguments": {"hidden": [1] * 4_000}}, "arguments must have at most 10000 characters; found more"),
        (
            {"text": ""},
            "header must be a JSON object of at most 100000 characters and not deep; found '': save it again",
        ),
        ({"text": "[]"}, "header must be a JSON object of at most 100000 characters and not deep; found '[]'"),
        ({"text": "[" * 90_000}, "header must be a JSON object of at most 100000 characters and not deep; found '[[["),
        *[({"arguments": {"hidden": nested(depth)}}, "and not deep; found") for depth in (30, 300, 600)],
        ({"text": "9" * 5_000}, "header must be a JSON object of at most 100000 characters and not deep; found '999"),
        ({"text": "{" + " " * 100_000 + "}"}, "header must be a JSON object of at most 100000 characters"),
    ],
)
def test_headers_that_break_a_rule(changes, message, path):
    assert message in refusal(written(path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 1}, "mlp takes features, classes, hidden, latent, latent_activation; found ['depth']"),
        ({"features": -1}, "arguments that fit; found features must be a whole number >= 1; found -1"),
        ({"features": 3.5}, "found features must be a whole number >= 1; found 3.5"),
        ({"hidden": "4"}, "found hidden must be a whole number >= 1; found '4'"),
        ({"hidden": [0]}, "found hidden must hold whole numbers >= 1; found (0,)"),
        ({"hidden": {"4": 4}}, "found hidden must be a whole number >= 1; found {'4': 4}"),
        ({"latent_activation": "__import__('os')"}, "must be one of none, relu, tanh"),
        ({"latent": 7}, "of another shape or type: encoder.2.weight ([8, 4] float32 in place of [7, 4] float32)"),
        ({"hidden": []}, "unexpected: encoder.2.bias, encoder.2.weight; of another shape"),
        ({"hidden": [4, 4]}, "missing: encoder.4.weight, encoder.4.bias"),
    ],
)
def test_arguments_that_do_not_fit(changes, message, path):
    assert message in refusal(written(path, arguments=NET | changes))


@pytest.mark.parametrize("latent", [10**9, 10**13, 10**18, 10**30, 10**300])
def test_sizes_in_a_header_claim_no_memory(latent, path):
    written(path, arguments=NET | {"latent": latent})
    tracemalloc.start()
    refusal(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6


def test_a_tensor_whose_shape_is_large_and_empty_claims_no_memory(path):
    tensors = mlp(3, classes=2, hidden=(4,)).state_dict() | {"encoder.0.weight": torch.empty(2**40, 0)}
    assert "encoder.0.weight ([1099511627776, 0] float32 in place of [4, 3]" in refusal(written(path, tensors))


def test_a_header_that_lies_about_the_size_of_the_data(path):
    content = json.dumps({"a": {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + b"1234")
    assert "cut off, damaged or of another kind" in refusal(path)


def test_a_net_of_as_many_layers_as_the_arguments_can_ask_for_is_refused(path):
    message = refusal(written(path, arguments=NET | {"hidden": [1] * 3_000}))
    assert "missing: " in message
    assert "more; of another shape" in message


def test_names_of_tensors_are_listed(path):
    tensors = mlp(3, classes=2, hidden=(4,)).state_dict()
    tensors["head.weight"] = tensors.pop("classifier.weight")
    tensors["encoder.0.bias"] = torch.zeros(5)
    assert (
        f"{path} must hold the tensors of the architecture mlp, as the file's arguments build it; found missing: "
        "classifier.weight; unexpected: head.weight; of another shape or type: encoder.0.bias ([5] float32 in place "
        "of [4] float32): use what was saved from that net"
    ) == refusal(written(path, tensors))


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.uint8])
def test_types_of_another_kind_are_refused(dtype, path):
    tensors = mlp(3, classes=2, hidden=(4,)).state_dict() | {"encoder.0.bias": torch.zeros(4, dtype=dtype)}
    assert "of another shape or type: encoder.0.bias ([4] " in refusal(written(path, tensors))


def test_a_type_that_is_not_known_is_refused(path):
    content = json.dumps({"weight": {"dtype": "U32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    path.write_bytes(len(content).to_bytes(8, "little") + content + b"1234")
    message = r"found of another shape or type: weight \(\[1\] U32 in place of \[1\] float32\)"
    with weights.open_weights(path) as file, pytest.raises(InputError, match=message):
        weights.match_tensors(nn.ParameterDict({"weight": torch.ones(1)}), file.headers, source="a", what="b")


def test_a_whole_number_stays_one(path):
    ratlp.save(ratlp.models.wide_cnn((1, 4, 4)), path)
    tensors = load_file(path)
    tensors["features.1.num_batches_tracked"] = torch.tensor(0.0)
    arguments = {"image": [1, 4, 4]}
    message = refusal(written(path, tensors, architecture="wide_cnn", arguments=arguments))
    assert "features.1.num_batches_tracked ([] float32 in place of [] int64)" in message


def test_arguments_left_out_have_the_builders_defaults(path):
    tensors = small_cnn().state_dict()
    assert ratlp.load(written(path, tensors, architecture="small_cnn", arguments={})).image == (1, 28, 28)


def test_describing_reads_no_weights(path):
    written(path, {"nonsense": torch.ones(1)}, notes={"a": "b"})
    assert describe(path).notes == {"a": "b"}
    with pytest.raises(InputError, match="unexpected: nonsense"):
        ratlp.load(path)


def test_a_builder_that_fails_is_one_line(path):
    @ratlp.models.register("tests.failing")
    def failing(x):
        raise RuntimeError(f"two\nlines {'and more' * 1000}")

    found = refusal(written(path, architecture="tests.failing", arguments={"x": 1}))
    assert "tests.failing must be built with arguments that fit; found two lines and more" in found


def test_a_file_by_another_version_of_ratlp_is_read(path):
    assert isinstance(ratlp.load(written(path, ratlp_version="99.0")), nn.Module)
