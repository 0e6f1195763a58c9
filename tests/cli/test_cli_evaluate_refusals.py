import pickle
import sys
from functools import partial

import numpy as np
import pytest
import torch
from utils import command
from utils.command import QUICK, assert_one_line, workplace

run = partial(command.run, "evaluate")


@pytest.fixture
def here(tmp_path, monkeypatch):
    return workplace(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("scalar", "at least 2 classes; found shape (2, 1)"),
        ("flat", "logits [batch, classes]"),
        ("fewer_rows", "logits [batch, classes]"),
        ("nothing", "must return logits"),
        ("whole", "must return floating logits"),
        ("nan", "logits must be finite; found 6 NaN"),
        ("nan_later", "logits must be finite"),
        ("nan_attacked", "logits must be finite"),
        ("two_classes", "labels must be in 0..1, as there are 2 logits; found 0..2"),
        ("by_pairs", "the model must take the data; found that inputs of shape (15, 3) and torch.float32 raise Zero"),
        (
            "other_features",
            "the model must take the data; found that inputs of shape (2, 3) and torch.float32 raise RuntimeError",
        ),
    ],
)
def test_a_bad_model_is_one_line_and_exit_code_2(here, tmp_path, capsys, model, message):
    assert run(f"{here}:{model}", "--data", "data.npz", *QUICK, "--out", "out") == 2
    assert_one_line(capsys, message)
    assert not (tmp_path / "out" / "results.json").exists()
    assert not (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eps", "-0.1"], "eps must be finite and > 0; found -0.1"),
        (["--eps", "nan"], "eps must be finite and > 0; found nan"),
        (["--eps", "inf"], "eps must be finite and > 0; found inf"),
        (["--eps", "0"], "eps must be finite and > 0; found 0"),
        (["--eps", "much"], "eps must be numbers, such as 0.05,0.1; found 'much'"),
        (["--eps", "0.1,0.1"], "each radius once"),
        (["--latent-eps", "0.1"], "found no --layer"),
        (["--relative"], "found no --layer"),
        (["--layer", "encodr"], "Names that fit: 'encoder'"),
        (["--layer", "encoder", "--latent-eps", "-1"], "eps must be finite and > 0; found -1"),
        (["--layer", "encoder", "--relative", "--certify"], "absolute budget"),
        (["--norm", "l1"], "norm must be 'linf' or 'l2'; found 'l1'"),
        (["--samples", "0"], "--samples"),
        (["--samples", "-3"], "--samples"),
        (["--batch-size", "0"], "--batch-size"),
        (["--seed", "-1"], "--seed"),
        (["--attacks", "pgdd"], "attacks must be quick, full, or names"),
        (["--attacks", ""], "attacks must be quick, full, or names"),
        (["--attacks", "pgd,pgd"], "each once"),
        (["--attacks", "autoattack"], "float32 images"),
        (["--bounds", "0.2,1"], "inputs must lie within the bounds"),
        (["--bounds", "1,0"], "bounds"),
        (["--bounds", "0"], "bounds must be two numbers"),
        (["--bounds", "low,high"], "bounds must be numbers"),
        (["--weights", "net.safetensors"], "weights must go with a factory"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(here, tmp_path, capsys, options, message):
    assert run("net.safetensors", "--data", "data.npz", *QUICK, *options, "--out", "out") == 2
    assert_one_line(capsys, message)
    assert not (tmp_path / "out" / "results.json").exists()


def test_autoattack_without_its_package(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack.autoattack", None)
    assert run("net.safetensors", "--data", "data.npz", "--attacks", "autoattack", "--out", "out") == 2
    assert_one_line(capsys, "pip install 'ratlp[autoattack]'")


def truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def pickled(path):
    torch.save({"weight": torch.zeros(3)}, path)


def plainly_pickled(path):
    path.write_bytes(pickle.dumps({"weight": 0}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (truncated, "safetensors"),
        (pickled, "pickle"),
        (plainly_pickled, "pickle"),
        (lambda path: path.write_bytes(b""), "safetensors"),
        (lambda path: path.unlink(), "net.safetensors"),
    ],
)
@pytest.mark.parametrize("given", ["as the model", "as weights"])
def test_bad_weights_are_one_line_and_exit_code_2(here, tmp_path, capsys, damage, message, given):
    damage(tmp_path / "net.safetensors")
    model = ["net.safetensors"] if given == "as the model" else [f"{here}:net", "--weights", "net.safetensors"]
    assert run(*model, "--data", "data.npz", *QUICK, "--out", "out") == 2
    assert_one_line(capsys, message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": [[1.0], [np.nan], [2.0], [3.0]], "y": [0, 1, 0, 1]}, "NaN"),
        ({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 0.5, 1, 1]}, "integer"),
        ({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 0, 0, 0]}, "class"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "must hold examples"),
    ],
)
def test_bad_data_is_one_line_and_exit_code_2(here, tmp_path, capsys, content, message):
    np.savez("bad.npz", **{name: np.asarray(value) for name, value in content.items()})
    assert run("net.safetensors", "--data", "bad.npz", *QUICK, "--out", "out") == 2
    assert_one_line(capsys, message)
    assert not (tmp_path / "out").exists()


def test_a_missing_label_column(here, capsys):
    with open("data.csv", "w") as stream:
        stream.write("a,b,c,kind\n" + "".join(f"{i},{i},{i},{i % 3}\n" for i in range(12)))
    assert run("net.safetensors", "--data", "data.csv", *QUICK) == 2
    assert_one_line(capsys, "label")


def test_a_folder_that_cannot_be_written(here, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert run("net.safetensors", "--data", "data.npz", *QUICK, "--out", "file") == 2
    assert_one_line(capsys, "the output folder must be one that can be written")


def test_another_commands_results_are_not_overwritten(here, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.json").write_text('{"schema": "ratlp.certify/1"}')
    assert run("net.safetensors", "--data", "data.npz", *QUICK, "--out", "out") == 2
    assert_one_line(capsys, "another program's results")
