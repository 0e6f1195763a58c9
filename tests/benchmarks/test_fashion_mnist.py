"""Every method is trained on one footing, and the command goes on where it stopped."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from robust_training import evaluating
from robust_training.command import main
from robust_training.data import Data
from robust_training.evaluating import evaluated
from robust_training.folder import Folder
from robust_training.nets import NETS, activations
from robust_training.plot import apart
from robust_training.recipes import EPS, METHODS, recipes
from robust_training.results import Row, Trial, table
from robust_training.stages import Plan, trainings
from robust_training.timing import kept_ratios, time_ratios
from robust_training.training import Run, train

from ratlp.attacks import PGD
from ratlp.certificates.methods import IntervalMethod
from ratlp.errors import InputError, SoundnessError
from ratlp.evaluation import Attack
from ratlp.models import small_cnn
from ratlp.perturbations import LInf

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "fashion_mnist.py"
LAYERS = ("features.1", "features.3", "features.6")


def images(n, generator):
    """Four classes: which quarter is bright."""
    y = torch.randint(4, (n,), generator=generator)
    x = 0.2 * torch.rand(n, 1, 8, 8, generator=generator)
    quarters = torch.nn.functional.one_hot(y, 4).view(n, 1, 2, 2).repeat_interleave(4, 2).repeat_interleave(4, 3)
    return x + 0.7 * quarters, y


@pytest.fixture(scope="module")
def data():
    generator = torch.Generator().manual_seed(0)
    return Data(images(300, generator), images(50, generator), images(60, generator), "quarters")


def net():
    torch.manual_seed(0)
    return small_cnn((1, 8, 8), classes=4)


def test_the_nets_say_where_a_latent_is():
    assert activations(NETS["small"]()) == LAYERS
    assert activations(NETS["wide"]()) == ("features.2", "features.5", "features.8", "features.11")


def test_methods_in_the_latent_are_tried_at_the_layers_asked_for(data):
    plan = Plan("small", data, ("standard", "relative", "propagated", "interval"), 1, 1, tune=True, layers=LAYERS[1:2])
    groups = plan.groups()
    assert [{(recipe.method, recipe.layer) for recipe in group} for group in groups] == [
        {("standard", "")},
        {("propagated", LAYERS[1])},
        {("interval", "input")},
    ]


def test_names_are_of_one_setting_each():
    names = [recipe.name for method in METHODS for recipe in recipes(method, LAYERS)]
    assert len(set(names)) == len(names)
    assert not any(set(name) & set(" ,/") for name in names)


@pytest.mark.parametrize("method", METHODS)
def test_every_setting_trains(method, data):
    x, y = data.train[0][:16], data.train[1][:16]
    for recipe in recipes(method, LAYERS):
        model = net()
        objective = recipe.make(model)
        recipe.schedule(objective, 4)()
        objective(x, y).loss.backward()
        assert all(p.grad is not None for p in model.parameters()), recipe.name


def test_a_training_learns_and_keeps_its_best_epoch(data):
    model, recipe = net(), recipes("propagated", LAYERS)[0]
    run = train(model, recipe, data, epochs=8, seed=0)
    assert 5 <= run.epoch <= 8
    assert run.score == (run.clean + run.attacked) / 2
    assert run.clean > 90
    assert not model.training


def test_the_accuracies_are_in_order(data):
    pytest.importorskip("pyautoattack")
    model = net()
    train(model, recipes("interval", LAYERS)[0], data, epochs=30, seed=0)
    found = evaluated(model, data, attack_samples=60)
    assert found.clean >= found.pgd >= found.certified >= found.interval > 50
    assert found.clean >= found.autoattack >= found.certified


class Credulous(IntervalMethod):
    """Takes the margins at the centre for those of the whole ball."""

    def margins(self, balls, eps):
        logits = balls.rest(balls.points)
        return logits.gather(1, balls.y[:, None]) - logits


@pytest.mark.parametrize("strong", ["pgd", "autoattack"])
def test_a_certificate_that_an_attack_breaks_is_refused(strong, data, monkeypatch):
    model = net()
    train(model, recipes("standard", LAYERS)[0], data, epochs=5, seed=0)
    tried = [Attack(name, PGD(steps=10), LInf(EPS * (name == strong))) for name in ("pgd", "autoattack")]
    monkeypatch.setattr(evaluating, "attacks", lambda: tried)
    evaluated(model, data, attack_samples=60)  # what is certified withstands it
    monkeypatch.setattr(evaluating, "METHODS", (Credulous(),))
    with pytest.raises(SoundnessError, match="a certified sample must withstand every attack"):
        evaluated(model, data, attack_samples=60)


def test_times_are_over_the_standard_steps(data):
    ratios = time_ratios(net, {"twice": recipes("standard", LAYERS)[0]}, data, rounds=2)
    assert ratios["standard"]["ratio"] == 1
    assert ratios.keys() == {"standard", "pgd-7 by hand", "twice"}


def test_settings_close_to_the_best_are_told_apart_by_every_seed(data, tmp_path, monkeypatch):
    plan = Plan("small", data, ("relative", "ratlp"), 1, 3, tune=True, layers=LAYERS[2:])
    close, far = plan.groups()
    scores = {close[0].name: [80.5, 70.0, 70.0], close[1].name: [80.0, 79.0, 79.0]}
    scores |= {far[0].name: [80.0, 0.0, 0.0], far[1].name: [79.4]}

    def run(net, recipe, data, *, epochs, seed):
        score = scores[recipe.name][seed]
        return Run(1, score, score, score, 0.0)

    monkeypatch.setattr("robust_training.stages.train", run)
    found = [
        (recipe.name, [run["score"] for run in runs], chosen)
        for recipe, runs, chosen in trainings(plan, Folder(tmp_path), say=lambda text: None)
    ]
    assert found == [
        (close[0].name, [80.5, 70.0, 70.0], False),
        (close[1].name, [80.0, 79.0, 79.0], True),
        (far[0].name, [80.0, 0.0, 0.0], True),
        (far[1].name, [79.4], False),
    ]


def test_kept_times_are_of_as_many_rounds_and_lack_no_method(data, tmp_path, monkeypatch):
    timed = []

    def times(make_net, by_cost, data, *, rounds):
        timed.append((list(by_cost), rounds))
        return {name: {"ratio": 1.0} for name in by_cost}

    monkeypatch.setattr("robust_training.timing.time_ratios", times)
    plan, folder = Plan("small", data, ("standard", "ratlp"), 1, 1, tune=False), Folder(tmp_path)
    standard, ratlp = (group[0] for group in plan.groups())
    kept_ratios(plan, [standard], folder, rounds=2)
    assert kept_ratios(plan, [standard], folder, rounds=2) == {"standard": {"ratio": 1.0}}
    kept_ratios(plan, [standard], folder, rounds=3)
    kept_ratios(plan, [standard, ratlp], folder, rounds=3)
    assert timed == [(["standard"], 2), (["standard"], 3), (["standard", "ratlp features.6"], 3)]


def test_a_folder_holds_work_of_one_kind(tmp_path):
    Folder(tmp_path).claim({"data": "digits"})
    Folder(tmp_path).claim({"data": "digits"})
    with pytest.raises(InputError, match="name another folder"):
        Folder(tmp_path).claim({"data": "other"})


def test_a_damaged_file_is_named(tmp_path):
    folder = Folder(tmp_path)
    folder.write("runs/one.json", {"epoch": 1})
    (tmp_path / "runs" / "one.json").write_text('{"epoch":')
    with pytest.raises(InputError, match=r"finished work must be JSON; found .*one\.json: remove it"):
        folder.read("runs/one.json")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--out", "{file}"], "--out must be a folder that can be made"),
        (["--out", "{file}/below"], "--out must be a folder that can be made"),
        (["--out", "{out}", "--data", "moons"], "convolutions need images"),
        (["--out", "{out}", "--data", "nowhere"], "data must be"),
        (["--out", "{out}", "--epochs", "2"], "name another folder"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, reason, tmp_path, capsys):
    pytest.importorskip("pyautoattack")
    Folder(tmp_path / "out").claim({"data": "digits", "epochs": 1, "attack_samples": 1000})
    (tmp_path / "file").touch()
    places = {"file": tmp_path / "file", "out": tmp_path / "out"}
    given = [argument.format(**places) for argument in arguments]
    with pytest.raises(SystemExit) as stopped:
        main(["--methods", "standard", "--epochs", "1", *given])
    assert stopped.value.code == 2
    assert reason in capsys.readouterr().err.splitlines()[-1]


def test_names_beside_the_markers_lie_apart_and_above_the_axis():
    found = apart({"a": 0.0, "b": 0.1, "c": 74.0, "d": 74.5})
    assert found == {"d": 74.5, "c": 69.5, "b": 5.0, "a": 0.0}
    assert list(apart(dict.fromkeys("abc", 2.0)).values()) == [10.0, 5.0, 0.0]


def test_the_table_lines_up():
    row = {"clean": 90.0, "pgd": 70.0, "autoattack": 60.0, "certified": 1.0, "time_ratio": 3.0, "interval": 0.5}
    rest = {"net": "small", "epoch": 3}
    rows = [Row("propagated", "features.1", seed, **row, setting="weight 1", **rest) for seed in (0, 1)]
    chosen = {"weight 1": True, "weight 2": False, "weight 5, interval init, lr 0.004": False}
    trials = [
        Trial("small", "propagated", "features.1", name, 90.0, 70.0, seeds=1, chosen=chosen[name]) for name in chosen
    ]
    text = table(rows, trials)
    assert "90.0 ± 0.0" in text
    assert "weight 1*" in text
    assert "weight 2*" not in text
    lines = [line for line in text.splitlines() if line.startswith("propagated")]
    assert len(lines[0]) == len(lines[0].rstrip())
    assert {len(line) for line in lines[1:]} == {len(lines[1])}


@pytest.mark.slow
def test_the_command_goes_on(tmp_path):
    pytest.importorskip("pyautoattack")
    command = [sys.executable, str(SCRIPT), "--methods", "standard,ratlp", "--no-tune", "--epochs", "1", "--seeds", "1"]
    command += ["--attack-samples", "10", "--rounds", "1", "--threads", "1", "--out", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    first = json.loads((tmp_path / "results.json").read_text())
    assert {"method", "layer", "seed", "clean", "pgd", "autoattack", "certified", "time_ratio"} <= first[0].keys()
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert again.stderr == ""  # nothing was done anew
    assert json.loads((tmp_path / "results.json").read_text()) == first
