"""The benchmark of attacks compares like with like, and its command writes what it says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from attack_cost.attackers import LETTING_GO, ON_ALL, SAME_ATTACK, Settings
from attack_cost.latent import DEPTH, EPS, by_hook, by_replay
from attack_cost.nets import Target, cnn_on, mlp_on
from attack_cost.results import gap, table
from attack_cost.running import drawn_from, installed, standing
from attack_cost.strength import Strength, strengths
from attack_cost.timing import interleaved, pgd_times, timing
from step_cost.models import TINY, build
from torch import nn

from ratlp import save
from ratlp.data import load_source
from ratlp.models import small_cnn

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "attacks.py"
SETTINGS = Settings(eps=0.1, steps=10, restarts=2)
EVERYONE = {
    f"{attack} by {by}": make
    for attack, makers in {**SAME_ATTACK, "letting go": LETTING_GO, "all": ON_ALL}.items()
    for by, make in makers.items()
}


class Normalised(nn.Module):
    """Class 0 where the first pixel is dark; with what attacks are known to move."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.scale = nn.Parameter(torch.tensor(10.0))

    def forward(self, x):
        lead = self.scale * (self.norm(x)[:, 0, 0, 0] - 0.5)
        others = torch.full((len(x), 8), -20.0) + 0 * lead[:, None]
        return torch.cat([-lead[:, None], lead[:, None], others], dim=1)


def target():
    """Four samples of class 0, at 0.3, 0.2, 0.05 and 0.001 from the boundary; one is misclassified."""
    x = torch.full((5, 1, 2, 2), 0.5)
    x[:, 0, 0, 0] = torch.tensor([0.2, 0.3, 0.45, 0.499, 0.6])
    return Target("threshold", Normalised().eval(), x, torch.zeros(5, dtype=torch.int64), "five")


@pytest.mark.filterwarnings("ignore")  # the peers' own
@pytest.mark.parametrize("name", EVERYONE)
def test_everyone_breaks_what_can_be_broken_and_leaves_the_net_as_it_was(name):
    subject = target()
    before = {key: value.clone() for key, value in subject.net.state_dict().items()}
    random, run = torch.get_rng_state(), installed({name: EVERYONE[name]}, subject.net, SETTINGS)[name]
    if run is None:
        pytest.skip("the package is not installed")
    assert standing(subject, run, SETTINGS.eps).tolist() == [True, True, False, False, False]
    assert all(torch.equal(value, before[key]) for key, value in subject.net.state_dict().items())
    assert subject.net.scale.requires_grad
    assert subject.net.scale.grad is None
    assert not any(module.training for module in subject.net.modules())
    assert torch.equal(torch.get_rng_state(), random)


def test_what_leaves_the_ball_is_brought_back():
    subject = target()
    assert standing(subject, lambda x, y: x + 1, 0.04).tolist() == [True, True, True, False, False]
    assert standing(subject, lambda x, y: x, 0.1).tolist() == [True, True, True, True, False]


def test_a_package_that_is_not_installed_is_said_to_be_absent():
    def missing(net, settings):
        raise ImportError

    assert installed({"other": missing}, target().net, SETTINGS) == {"other": None}
    rows = [
        Strength("mlp", "digits", "clean", "", 90.0, 10),
        Strength("mlp", "digits", "PGD", "ratlp", 50.0, 10),
        Strength("mlp", "digits", "PGD", "other", None, 10),
        Strength("mlp", "digits", "PGD", "weaker", 50.4, 10),
        Strength("mlp", "digits", "PGD", "stronger", 49.4, 10),
    ]
    times = [timing(("mlp", "all samples", by), own, [2.0, 2.0]) for by, own in (("ratlp", [2.0] * 2), ("other", None))]
    lines = table(rows, times, times).splitlines()
    said = {by: line for by in ("other", "weaker", "stronger") for line in lines[:7] if f" {by} " in line}
    assert "absent" in said["other"]
    assert "-0.40" in said["weaker"]
    assert "!" not in said["weaker"]
    assert "+0.60 !" in said["stronger"]
    assert [gap(row, rows) for row in rows[:3]] == [None, None, None]
    assert sum("absent" in line for line in lines) == 3


def test_ratios_pair_the_calls_of_one_round():
    seconds = interleaved({"a": lambda: None, "b": lambda: None}, target().net, rounds=3, at_most=0, clock=lambda: 0.0)
    assert seconds == {"a": [0.0] * 3, "b": [0.0] * 3}
    row = timing(("net", "all samples", "peer"), [1.0, 2.0, 3.0], [2.0, 2.0, 3.0])
    assert (row.milliseconds, row.ratio, row.quartiles, row.rounds) == (2000.0, 1.0, (1.0, 1.5), 3)


@pytest.mark.filterwarnings("ignore")  # the peers' own
def test_the_rounds_attack_what_is_classified_rightly():
    subject = target()
    seen = []
    subject.net.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    rows = pgd_times(subject, SETTINGS, rounds=1, at_most=0, clock=iter(range(1000)).__next__)
    assert {row.rounds for row in rows} <= {0, 1}
    assert seen[0] == 5  # which are classified rightly
    assert max(seen[1:]) == 4


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_the_replay_and_the_hook_take_the_same_steps(name):
    torch.manual_seed(0)
    subject = build(name, TINY[name], dtype=torch.float64)
    subject.model.eval()
    found = []
    for make in (by_replay, by_hook):
        attack = make(subject, DEPTH)
        with drawn_from(1, subject.model):
            found.append(attack())
    assert torch.allclose(*found, atol=1e-12)
    assert found[0].abs().max() == EPS


@pytest.mark.filterwarnings("ignore")  # the peers' own
def test_nets_are_trained_or_given(tmp_path):
    trained = mlp_on(load_source("digits"), weights=None, samples=50, train_steps=40)
    assert trained.x.shape == (50, 1, 8, 8)
    (clean, *_) = strengths(trained, SETTINGS, worst_case=False)
    assert clean.robust_accuracy > 60
    net = small_cnn((1, 8, 8))
    save(net, tmp_path / "net.safetensors")
    given = cnn_on(load_source("digits"), weights=tmp_path / "net.safetensors", samples=20, train_steps=1)
    assert torch.equal(given.net(given.x), net(given.x))


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_the_command_writes_its_files(tmp_path):
    pytest.importorskip("pyautoattack")
    command = [sys.executable, str(SCRIPT), "--tiny", "--samples", "20", "--steps", "3", "--restarts", "2"]
    command += ["--rounds", "1", "--train-steps", "10", "--threads", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == (tmp_path / "table.txt").read_text()
    names = {"results.json", "meta.json", "table.txt", "attacks.png", "attacks.svg"}
    assert {path.name for path in tmp_path.iterdir()} == names
    found = json.loads((tmp_path / "results.json").read_text())
    assert {row["attack"] for row in found["accuracy"]} == {"clean", "PGD", "APGD-CE", "APGD-DLR"}
    assert {row["by"] for row in found["latent"]} == {"ratlp", "forward hook"}
    assert json.loads((tmp_path / "meta.json").read_text())["steps"] == 3
