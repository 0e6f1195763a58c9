"""The command `ratlp`, run and interrupted, and a folder with data, a model's file and factories to run it in."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import ratlp
from ratlp.cli import main
from ratlp.models import mlp

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
def by_pairs(): return Bad(lambda logits, x: logits if len(x) == 2 else 1 / 0)
def two_classes(): return nn.Linear(3, 2)
def other_features(): return nn.Linear(4, 3)
def saturated(): return nn.Sequential(net(), nn.Softmax(1))
"""


def run(*arguments):
    """The exit code."""
    with pytest.raises(SystemExit) as exit_:
        main([*map(str, arguments)])
    return exit_.value.code


def interrupted(lines, number, *arguments):
    """The command in a process of its own, sent a signal as soon as its journal has so many lines."""
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


def interrupted_at_once(*arguments):
    """The same, sent Ctrl-C as soon as it has said what it runs: exit code and what it wrote to stderr."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ratlp", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert process.stdout.readline().startswith("Running ")  # the last line before the work begins
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


def workplace(tmp_path, monkeypatch):
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


def assert_one_line(capsys, message):
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1, captured.err
    assert captured.err.startswith("ratlp: error: ")
    assert message in captured.err
    return captured
