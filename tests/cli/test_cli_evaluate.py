import json
import os
import pickle
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import ratlp
from ratlp.cli import main
from ratlp.evaluation import Evaluation
from ratlp.models import load_model, mlp

QUICK = ("--attacks", "fgsm,noise", "--no-checks", "--batch-size", 5)
NETS = """
import torch
from torch import nn

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 3))

def image():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 3))

class Bad(nn.Linear):
    def __init__(self, bend):
        super().__init__(3, 3)
        self.bend = bend

    def forward(self, x):
        return self.bend(super().forward(x), x)

def scalar(): return Bad(lambda logits, x: logits[:, :1])
def flat(): return Bad(lambda logits, x: logits.sum(1))
def fewer_rows(): return Bad(lambda logits, x: logits[:1])
def nothing(): return Bad(lambda logits, x: None)
def whole(): return Bad(lambda logits, x: logits.argmax(1, keepdim=True).expand(-1, 3))
def nan(): return Bad(lambda logits, x: logits * float("nan"))
def nan_later(): return Bad(lambda logits, x: torch.where(x.amax(1, keepdim=True) < 0.7, logits, torch.nan))
def nan_attacked(): return Bad(lambda logits, x: logits / (x == x.round(decimals=1)).all(1, keepdim=True))
def two_classes(): return nn.Linear(3, 2)
def other_features(): return nn.Linear(4, 3)
def saturated(): return nn.Sequential(net(), nn.Softmax(1))
"""


def run(*arguments):
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", *map(str, arguments)])
    return exit_.value.code


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with data of three features in [0, 1] and three classes, a model's file, and factories."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 11, size=(40, 3)) / 10
    np.savez(tmp_path / "data.npz", x_train=x, y_train=np.arange(40) % 3, x_test=x[:15], y_test=np.arange(15) % 3)
    images = rng.integers(0, 256, size=(30, 3, 2, 2)).astype(np.uint8)
    y = np.arange(30) % 3
    np.savez(tmp_path / "images.npz", x_train=images, y_train=y, x_test=images, y_test=y)
    ratlp.save(mlp(3, classes=3), tmp_path / "net.safetensors")
    name = f"nets_{tmp_path.name}".replace("-", "_")  # of its own: modules are imported once
    (tmp_path / f"{name}.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def results(folder="out"):
    with open(f"{folder}/results.json", "rb") as stream:
        return json.load(stream)


def test_everything_is_written(here, tmp_path, capsys):
    options = ["--layer", "encoder", "--eps", "0.1,0.3", "--latent-eps", 0.5, "--certify"]
    assert run("net.safetensors", "--data", "data.npz", *options, *QUICK, "--out", "out") == 0
    captured = capsys.readouterr()
    assert captured.err == ""  # no progress bar where there is no terminal
    content = results()
    listed = {"report.html", "results.json", "timings.json"}
    listed |= {f"{stem}-{place}.{kind}" for stem in ("curve", "latents") for place in (0, 1) for kind in ("png", "svg")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == set(content["files"]) == listed
    keys = {"name", "space", "layer", "norm", "eps", "robust_accuracy", "ci95", "n"}
    assert all(keys <= attack.keys() for attack in content["attacks"])
    rows = [(a["name"], a["space"], a["layer"], a["norm"], a["eps"], a["n"]) for a in content["attacks"]]
    assert rows == [
        ("fgsm", "input", "input", "linf", 0.1, 15),
        ("noise", "input", "input", "linf", 0.1, 15),
        ("fgsm at encoder", "latent", "encoder", "linf", 0.5, 15),
        ("noise at encoder", "latent", "encoder", "linf", 0.5, 15),
    ]
    assert content["worst_case"] <= min(attack["robust_accuracy"] for attack in content["attacks"]) <= content["clean"]
    assert [check["name"] for check in content["checks"]] == ["certificates at input", "certificates at encoder"]
    assert [[point["eps"] for point in curve["points"]] for curve in content["curves"]] == [
        [0.0, 0.1, 0.3], [0.0, 0.125, 0.25, 0.5, 1.0, 2.0],
    ]  # fmt: skip
    assert [found["layer"] for found in content["certificates"]] == ["input", "encoder"]
    model, split = load_model("net.safetensors").model, np.load("data.npz")
    right = model(torch.from_numpy(split["x_test"]).float()).argmax(1).numpy() == split["y_test"]
    assert content["clean"] == right.mean()
    found = Evaluation.from_json((tmp_path / "out" / "results.json").read_text())
    assert found.worst_case.share == content["worst_case"]
    assert "Worst case" in captured.out
    assert set(json.loads((tmp_path / "out" / "timings.json").read_bytes())) >= {"attack fgsm", "curve", "certificates"}


def test_the_recorded_command_gives_the_same_bytes_again(here, tmp_path):
    options = ["--layer", "encoder", "--latent-eps", "0.5", "--relative", "--norm", "l2", "--bounds", "-0.5,1.5"]
    assert run("net.safetensors", "--data", "data.npz", *options, *QUICK, "--out", "first") == 0
    name, subcommand, *again = shlex.split(results("first")["command"])
    assert (name, subcommand) == ("ratlp", "evaluate")
    assert run(*again, "--out", "second") == 0
    assert (tmp_path / "first" / "results.json").read_bytes() == (tmp_path / "second" / "results.json").read_bytes()


@pytest.mark.parametrize("lines", [pytest.param(3, marks=pytest.mark.slow), 8])
def test_killed_and_run_again_it_gives_the_same_bytes(here, tmp_path, capsys, lines):
    arguments = ["net.safetensors", "--data", "data.npz", "--layer", "encoder", *map(str, QUICK)]
    assert run(*arguments, "--out", "whole") == 0
    killed = interrupted(lines, signal.SIGKILL, "evaluate", *arguments, "--out", "cut")
    assert killed.returncode == -signal.SIGKILL
    unfinished = tmp_path / "cut" / "unfinished.jsonl"
    assert [path.name for path in (tmp_path / "cut").iterdir()] == ["unfinished.jsonl"]
    assert len(unfinished.read_bytes().splitlines()) == lines
    with unfinished.open("ab") as stream:
        stream.write(b'{"stage": "attacks", "rec')  # half a line, as a kill may leave it
    capsys.readouterr()
    assert run(*arguments, "--out", "cut") == 0
    assert f"Going on where an earlier run was cut off: {lines - 1} pieces" in capsys.readouterr().out
    assert (tmp_path / "cut" / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()
    assert not unfinished.exists()


def test_ctrl_c_exits_with_130_and_keeps_what_is_finished(here, tmp_path):
    done = interrupted(4, signal.SIGINT, "evaluate", "net.safetensors", "--data", "data.npz", *QUICK, "--out", "out")
    assert done.returncode == 130
    assert "the same command goes on there" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unfinished.jsonl"]


def interrupted(lines, number, *arguments):
    """The command, sent a signal as soon as its journal has so many lines."""
    code = (
        "import os, sys\n"
        "from ratlp.assessment import Journal\n"
        "append, left = Journal._append, [int(sys.argv[1])]\n"
        "def counting(self, entry):\n"
        "    append(self, entry)\n"
        "    left[0] -= 1\n"
        "    if left[0] == 0:\n"
        "        os.kill(os.getpid(), int(sys.argv[2]))\n"
        "Journal._append = counting\n"
        "from ratlp.cli import main\n"
        "main(sys.argv[3:])\n"
    )
    words = [sys.executable, "-c", code, str(lines), str(int(number)), *map(str, arguments)]
    return subprocess.run(
        words, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def test_unfinished_work_with_other_settings_is_refused_and_kept(here, tmp_path, capsys):
    arguments = ["net.safetensors", "--data", "data.npz", *QUICK, "--out", "out"]
    interrupted(3, signal.SIGKILL, "evaluate", *arguments)
    before = (tmp_path / "out" / "unfinished.jsonl").read_bytes()
    assert run(*arguments, "--seed", 1) == 2
    error = capsys.readouterr().err
    assert "other seed (0)" in error
    assert "delete the file" in error
    ratlp.save(mlp(3, classes=3, hidden=(4,)), tmp_path / "net.safetensors")
    assert run(*arguments) == 2
    assert "other model" in capsys.readouterr().err
    assert (tmp_path / "out" / "unfinished.jsonl").read_bytes() == before


def test_a_self_check_that_fails_is_loud(here, tmp_path, capsys):
    weights = load_model(f"{here}:net").model.state_dict()
    save_file({f"0.{name}": value for name, value in weights.items()}, "weights.safetensors")
    options = ["--attacks", "quick", "--samples", 15]
    assert (
        run(f"{here}:saturated", "--weights", "weights.safetensors", "--data", "data.npz", *options, "--out", "out")
        == 0
    )
    content = results()
    verdicts = {check["name"]: check["verdict"] for check in content["checks"]}
    assert verdicts["softmax outputs"] == "do not trust"
    assert all(check.keys() == {"name", "value", "rule", "verdict"} for check in content["checks"])
    assert "DO NOT TRUST" in capsys.readouterr().err
    page = (tmp_path / "out" / "report.html").read_text()
    assert 'role="alert"' in page
    assert "DO NOT TRUST" in page


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
        ("other_features", "the model must take the data, inputs of shape (2, 3); found RuntimeError"),
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


def test_images_of_three_channels_and_a_default_folder(here, tmp_path):
    assert run(f"{here}:image", "--data", "images.npz", *QUICK, "--samples", 8) == 0
    files = results("ratlp-results/evaluate-image")["files"]
    assert "pairs.png" in files
    assert "regions.png" not in files


def assert_one_line(capsys, message):
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("ratlp: error: ")
    assert message in captured.err


def test_the_bar_tells_the_robust_accuracy_so_far(capsys, monkeypatch):
    from ratlp.cli import progress
    from ratlp.evaluation import Progress

    class Terminal(progress.Console):
        def __init__(self, *, stderr):
            super().__init__(stderr=stderr, force_terminal=True, width=120)

    monkeypatch.setattr(progress, "Console", Terminal)
    with progress.accuracy_progress() as watch, watch("attacks") as tell:
        tell(Progress(finished=16, begun=32, n=64, part=0.5, robust=24))
    shown = capsys.readouterr().err
    assert "attacks" in shown
    assert "robust so far: 75.0 % of 32 samples" in shown
