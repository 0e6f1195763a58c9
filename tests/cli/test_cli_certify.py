import json
import shlex
import sys
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from utils import command, trained
from utils.command import assert_one_line, interrupted_at_once, results

import ratlp
from ratlp.certificates import Certification, certify
from ratlp.models import mlp, small_cnn

run = partial(command.run, "certify")


@pytest.fixture
def digits(tmp_path):
    path = tmp_path / "digits.safetensors"
    ratlp.save(trained.digits(), path)
    return path


@pytest.fixture
def moons(tmp_path):
    path = tmp_path / "moons.safetensors"
    ratlp.save(trained.moons(), path)
    return path


def test_a_table_a_figure_and_results(digits, tmp_path, capsys):
    out = tmp_path / "out"
    options = ["--eps", "0.02,0.05", "--eps", "0.1", "--samples", 40, "--method", "interval", "--attack", 5]
    assert run(digits, "--data", "digits", *options, "--out", out) == 0
    assert {path.name for path in out.iterdir()} == {"results.json", "certified.png", "certified.svg"}
    captured = capsys.readouterr()
    assert captured.err == ""  # no progress bar where there is no terminal
    assert "40 samples" in captured.out
    assert "Right under attack" in captured.out
    content = results(out)
    assert content["eps"] == [0.02, 0.05, 0.1]
    assert content["bounds"] == [0, 1]
    assert content["data"]["name"] == "digits"
    assert content["settings"] == {"methods": ["interval"], "seed": 0, "batch_size": 256}
    assert content["model"] == f"small_cnn, with the weights of {digits}"
    found = Certification.from_json((out / "results.json").read_text())
    assert f"{100 * found.point(0.1).certified.share:.1f} %" in captured.out
    split = trained.split("digits")
    x, y = split.x_test[:40], split.y_test[:40]
    expected = certify(trained.digits(), x, y, eps=[0.02, 0.05, 0.1], bounds=(0, 1), methods=["interval"])
    assert torch.equal(found.radius, expected.radius)


def test_bounds_are_the_datas_own_unless_given(digits, tmp_path):
    radii = {}
    for bounds in ("0,1", "none", "-0.5,1.5"):
        out = tmp_path / bounds
        options = ["--samples", 20, "--method", "interval", "--bounds", bounds, "--out", out]
        assert run(digits, "--data", "digits", *options) == 0
        text = (out / "results.json").read_text()
        assert f"--bounds={bounds}" in json.loads(text)["command"]
        radii[bounds] = Certification.from_json(text)
    assert [found.bounds for found in radii.values()] == [(0, 1), None, (-0.5, 1.5)]
    assert (radii["0,1"].radius >= radii["-0.5,1.5"].radius).all()
    assert (radii["-0.5,1.5"].radius >= radii["none"].radius).all()
    assert radii["0,1"].radius.sum() > radii["none"].radius.sum()


def test_the_recorded_command_gives_the_same_results_again(moons, tmp_path):
    options = ["--eps", 0.1, "--layer", "encoder", "--seed", 3, "--samples", 30]
    assert run(moons, "--data", "moons", *options, "--out", tmp_path / "a") == 0
    first = results(tmp_path / "a")
    name, subcommand, *options = shlex.split(first["command"])
    assert (name, subcommand) == ("ratlp", "certify")
    assert run(*options, "--out", tmp_path / "b") == 0
    second = results(tmp_path / "b")
    for content in (first, second):
        for method in content["methods"]:
            del method["seconds"]
    assert first == second
    assert first["methods"][0]["name"] == "closed-form"


def test_a_factory_with_weights_and_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mynets.py").write_text("import torch\ndef make():\n    return torch.nn.Linear(2, 2)\n")
    net = torch.nn.Linear(2, 2)
    save_file(net.state_dict(), "weights.safetensors")
    rows = "".join(f"{i % 7 / 7},{i % 3 / 3},{i % 2}\n" for i in range(40))
    (tmp_path / "people.csv").write_text(f"age,height,ill\n{rows}")
    options = ["--data", "people.csv", "--label", "ill", "--weights", "weights.safetensors", "--method", "closed-form"]
    assert run("mynets:make", *options) == 0
    content = results(tmp_path / "ratlp-results" / "certify-make")
    assert content["model"] == "mynets:make, with the weights of weights.safetensors"
    assert content["eps"] == [0.1]
    monkeypatch.delitem(sys.modules, "mynets")


def test_l2_and_a_layer(digits, tmp_path):
    options = ["--norm", "l2", "--layer", "features.6", "--samples", 20, "--out", tmp_path / "out"]
    assert run(digits, "--data", "digits", *options) == 0
    content = results(tmp_path / "out")
    assert (content["norm"], content["layer"]) == ("l2", "features.6")


def test_the_radius_0_alone_has_no_figure(digits, tmp_path, capsys):
    out = tmp_path / "out"
    assert run(digits, "--data", "digits", "--eps", 0, "--samples", 20, "--method", "interval", "--out", out) == 0
    assert [path.name for path in out.iterdir()] == ["results.json"]
    (point,) = results(out)["curve"]
    assert point["eps"] == 0
    assert f"open {out / 'results.json'}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--eps", "-0.1"], "eps must be one or more numbers, finite and >= 0"),
        (["--eps", "much"], "eps must be numbers, such as 0.05,0.1; found 'much'"),
        (["--layer", "feature.3"], "Names that fit: 'features.3'"),
        (["--method", "intervall"], "did you mean 'interval'"),
        (["--bounds", "0"], "bounds must be two numbers, such as 0,1, or none; found '0'"),
        (["--bounds", "1,0"], "low < high"),
        (["--bounds", "0,0.5"], "inputs must lie within the bounds (0.0, 0.5)"),
        (["--norm", "l1"], "norm must be 'linf' or 'l2'; found 'l1'"),
        (["--norm", "l2", "--method", "interval"], "no method can certify this model"),
        (["--samples", "0"], "--samples"),
        (["--seed", "-1"], "--seed"),
        (["--tolerance", "-1"], "tolerance must be >= 0"),
        (["--weights", "other.safetensors"], "weights must go with a factory"),
        (["--data", "moons"], "an input must have the 1 x 8 x 8 values that the net was built for"),
        (["--data", "nowhere"], "found 'nowhere'"),
    ],
)
def test_misuse_is_one_line_and_exit_code_2(digits, tmp_path, capsys, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    assert run(digits, "--data", "digits", *options) == 2
    assert_one_line(capsys, message)
    assert not list(tmp_path.glob("ratlp-results/**/*.json"))


def test_wrong_models(tmp_path, capsys):
    pickle = tmp_path / "net.pt"
    torch.save(torch.nn.Linear(2, 2).state_dict(), pickle)
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00")
    for model, word in ((pickle, "pickle"), (tmp_path / "cut.safetensors", "cut"), ("nets:none", "nets"), ("x", "'x'")):
        assert run(model, "--data", "moons") == 2
        assert word in capsys.readouterr().err


def test_more_classes_in_the_data_than_in_the_model(tmp_path, capsys):
    path, data = tmp_path / "few.safetensors", tmp_path / "many.npz"
    ratlp.save(small_cnn((1, 8, 8), classes=10), path)
    np.savez(data, x=np.random.default_rng(0).random((260, 64)), y=np.arange(260) % 26)
    assert run(path, "--data", data, "--out", tmp_path / "out") == 2
    assert "labels must be in 0..9, as there are 10 logits; found 0..25" in capsys.readouterr().err


def test_nan_in_the_weights(tmp_path, capsys):
    net = mlp(2, classes=2)
    net.classifier.weight.data.fill_(float("nan"))
    ratlp.save(net, tmp_path / "nan.safetensors")
    assert run(tmp_path / "nan.safetensors", "--data", "moons", "--out", tmp_path / "out") == 2
    assert "logits must be finite" in capsys.readouterr().err


def test_interrupted_leaves_no_result(digits, tmp_path):
    out, eps = tmp_path / "out", ",".join(str(eps / 100) for eps in range(1, 50))
    options = ["--data", "digits", "--tolerance", 0, "--eps", eps, "--out", out]
    code, err = interrupted_at_once("certify", digits, *options)
    assert code == 130
    assert err.startswith("ratlp: interrupted")
    assert list(out.iterdir()) == []
