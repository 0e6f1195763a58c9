import json
import shlex
import signal
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from utils import command
from utils.command import QUICK, interrupted, results, workplace

import ratlp
from ratlp.evaluation import Evaluation
from ratlp.models import load_model, mlp

run = partial(command.run, "evaluate")


@pytest.fixture
def here(tmp_path, monkeypatch):
    return workplace(tmp_path, monkeypatch)


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


def test_images_of_three_channels_and_a_default_folder(here, tmp_path):
    assert run(f"{here}:image", "--data", "images.npz", *QUICK, "--samples", 8) == 0
    files = results("ratlp-results/evaluate-image")["files"]
    assert "pairs.png" in files
    assert "regions.png" not in files


def test_the_bar_tells_the_robust_accuracy_so_far(capsys, monkeypatch):
    from ratlp.cli import progress
    from ratlp.evaluation import Progress

    class Terminal(progress.Console):
        def __init__(self, *, stderr):
            super().__init__(stderr=stderr, force_terminal=True, width=120)

    monkeypatch.setattr(progress, "Console", Terminal)
    with progress.accuracy_progress() as watch, watch("run[lr=0.1]: attacks") as tell:
        tell(Progress(finished=16, begun=32, n=64, part=0.5, robust=24))
    shown = capsys.readouterr().err
    assert "run[lr=0.1]: attacks" in shown
    assert "robust so far: 75.0 % of 32 samples" in shown
    with progress.accuracy_progress() as watch, watch("distances") as tell:
        tell(Progress(finished=16, begun=32, n=64, part=0.5, robust=None))
    assert "robust" not in capsys.readouterr().err


def test_ctrl_c_before_anything_is_finished_promises_nothing(here, tmp_path, capsys, monkeypatch):
    def interrupted_at_once(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("ratlp.cli.evaluate.assess", interrupted_at_once)
    assert run("net.safetensors", "--data", "data.npz", *QUICK, "--out", "out") == 130
    assert capsys.readouterr().err == "ratlp: interrupted; results are written whole or not at all\n"
    assert list((tmp_path / "out").iterdir()) == []
