import json
import shlex
import signal
from functools import partial

import pytest
from utils import command
from utils.command import QUICK, assert_one_line, interrupted, results, workplace

import ratlp
from ratlp.models import mlp

run = partial(command.run, "compare")


@pytest.fixture
def here(tmp_path, monkeypatch):
    workplace(tmp_path, monkeypatch)
    for name, hidden in (("one", (8,)), ("two", (4,))):
        ratlp.save(mlp(3, classes=3, hidden=hidden), tmp_path / f"{name}.safetensors")
    return tmp_path


def test_models_are_compared_on_the_same_samples(here, capsys):
    models = ["one.safetensors", "two.safetensors"]
    assert run(*models, "--data", "data.npz", "--layer", "encoder", *QUICK, "--out", "out") == 0
    content = results()
    assert {path.name for path in (here / "out").iterdir()} == set(content["files"])
    one, two = content["models"]
    assert (one["name"], two["name"]) == ("one", "two")
    assert one["samples"]["labels"] == two["samples"]["labels"]
    clean, at_input, at_layer = content["differences"]
    assert clean["difference"] == pytest.approx(one["clean"] - two["clean"])
    for difference, place in ((at_input, 0), (at_layer, 1)):
        worst = [model["worst_cases"][place]["robust_accuracy"] for model in (one, two)]
        assert difference["difference"] == pytest.approx(worst[0] - worst[1])
        assert difference["ci95"][0] <= difference["difference"] <= difference["ci95"][1]
    assert "Worst case" in capsys.readouterr().out
    # each model's part is what evaluate finds of it alone
    options = ["--data", "data.npz", "--layer", "encoder", *QUICK]
    assert command.run("evaluate", models[1], *options, "--out", "alone") == 0
    alone = results("alone")
    for key in ("clean", "attacks", "worst_case", "worst_cases", "curves", "distances", "samples"):
        assert two[key] == alone[key], key


def test_killed_and_run_again_by_the_recorded_command_it_gives_the_same_bytes(here):
    arguments = ["one.safetensors", "two.safetensors", "--data", "data.npz", *QUICK]
    assert run(*arguments, "--out", "whole") == 0
    lines = 32  # one: 2 attacks, 5 radii and a distance; two: 2 attacks; each on 3 batches; then one of a radius
    assert interrupted(lines, signal.SIGKILL, "compare", *arguments, "--out", "cut").returncode == -signal.SIGKILL
    assert '"stage": "two: curve"' in (here / "cut" / "unfinished.jsonl").read_text().splitlines()[-1]
    whole = (here / "whole" / "results.json").read_bytes()
    name, subcommand, *again = shlex.split(json.loads(whole)["command"])
    assert (name, subcommand) == ("ratlp", "compare")
    assert run(*again, "--out", "cut") == 0
    assert (here / "cut" / "results.json").read_bytes() == whole


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["one.safetensors"], "two models or more, each once; found one.safetensors"),
        (["one.safetensors", "one.safetensors"], "two models or more, each once"),
        (["one.safetensors", "./one.safetensors"], "found one.safetensors, ./one.safetensors"),
        (["one.safetensors", "three.safetensors"], "three.safetensors"),
        (["one.safetensors", "two.safetensors", "--weights", "one.safetensors"], "weights must be given for each"),
        (["one.safetensors", "two.safetensors", "--layer", "encodr"], "'encoder'"),
        (["one.safetensors", "two.safetensors", "--eps", "-1"], "eps must be finite and > 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(here, capsys, models, message):
    assert run(*models, "--data", "data.npz", *QUICK, "--out", "out") == 2
    assert_one_line(capsys, message)
    assert not (here / "out").exists()


def test_equal_short_names_are_told_apart(here):
    (here / "b").mkdir()
    ratlp.save(mlp(3, classes=3), here / "b" / "one.safetensors")
    assert (
        run("one.safetensors", "b/one.safetensors", "--data", "data.npz", *QUICK, "--samples", 6, "--out", "out") == 0
    )
    assert [model["name"] for model in results()["models"]] == ["one.safetensors", "b/one.safetensors"]


def test_names_are_shown_as_they_are(here, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    name = "run[lr=0.1]"  # brackets are markup to the library that draws tables
    (here / "two.safetensors").rename(f"{name}.safetensors")
    models = ["one.safetensors", f"{name}.safetensors"]
    assert run(*models, "--data", "data.npz", *QUICK, "--samples", 6, "--out", "out") == 0
    heading = next(line for line in capsys.readouterr().out.splitlines() if line.split()[:2] == ["Attack", "At"])
    assert heading.split() == ["Attack", "At", "one", name]
