"""The benchmark compares like with like, and its command writes what it says."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from step_cost.measuring import Measured
from step_cost.models import TINY, build
from step_cost.results import rows, speedups
from step_cost.subject import DEPTHS
from step_cost.variants import (
    EPS,
    INPUT_STEPS,
    ONE_STEP,
    input_fgsm,
    input_pgd,
    literal,
    only_g,
    replay,
    replay_from_zero,
    standard,
    whole,
)
from utils.literal import assert_gradients_match

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.losses import AdversarialOnly

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "step_cost.py"


def subject(name):
    if name in ("vit", "bert"):
        pytest.importorskip("transformers")
    torch.manual_seed(0)
    return build(name, TINY[name], dtype=torch.float64)


def run_step(factory, name, depth):
    """A new subject after one step, and the step's loss; the same random state each time."""
    fresh = subject(name)
    step = factory(fresh, depth)
    torch.manual_seed(1)
    return fresh, step()


def assert_same_step(factory, other, name, depth):
    expected, expected_loss = run_step(other, name, depth)
    fresh, loss = run_step(factory, name, depth)
    assert torch.allclose(loss, expected_loss, rtol=1e-12)
    gradients = {n: p.grad for n, p in expected.model.named_parameters()}
    assert any(g is not None and g.any() for g in gradients.values())
    assert_gradients_match(fresh.model, gradients)


def adversarial_training(fresh, depth):
    """What `input_pgd` does by hand, by the library."""
    objective = RATLP(
        fresh.model,
        layer=fresh.layer(0),
        eps=EPS,
        maximiser=PGD(steps=INPUT_STEPS, keep_best=False),
        loss=AdversarialOnly(),
    )

    def step():
        loss = objective(fresh.inputs, fresh.y).loss
        loss.backward()
        return loss.detach()

    return step


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("depth", DEPTHS)
def test_the_split_by_hand_gives_the_models_loss(name, depth):
    fresh = subject(name)
    assert torch.allclose(fresh.loss_from(depth, fresh.encode(depth)), fresh.loss(), rtol=1e-12)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("variant", [variant for variant in ONE_STEP if variant != "literal"])
def test_one_step_variants_give_the_literal_gradients(name, depth, variant):
    assert_same_step(ONE_STEP[variant], literal, name, depth)


@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("random_start", [False, True])
def test_replay_takes_the_same_inner_steps_as_the_whole_model(name, depth, random_start):
    by_replay = replay if random_start else replay_from_zero
    assert_same_step(by_replay, partial(whole, random_start=random_start), name, depth)


@pytest.mark.parametrize("name", TINY)
def test_steps_at_the_input_are_those_of_the_objective(name):
    assert_same_step(input_fgsm, literal, name, 0)
    assert_same_step(input_pgd, adversarial_training, name, 0)


@pytest.mark.parametrize("name", TINY)
def test_g_alone_gives_the_clean_gradients_of_g_and_none_of_f(name):
    expected, _ = run_step(standard, name, 50)
    fresh, _ = run_step(only_g, name, 50)
    found = {n: p.grad for n, p in fresh.model.named_parameters() if p.grad is not None}
    missing = {n for n, p in fresh.model.named_parameters() if p.grad is None}
    assert found
    assert missing
    for parameter, gradient in found.items():
        assert torch.allclose(gradient, expected.model.get_parameter(parameter).grad, rtol=1e-9)


def test_whole_model_steps_leave_the_parameters_trainable():
    fresh, _ = run_step(whole, "mlp", 50)
    assert all(p.requires_grad for p in fresh.model.parameters())


def test_ratios_and_limits_pair_the_steps_of_one_round():
    one = {"standard": 2.0, "g": 1.0, "inner": 0.5, "ratlp": 3.0, "literal": 3.5, "recompute": 4.0}
    many = {"pgd-4-replay": 5.0, "pgd-4-replay-zero": 4.5, "pgd-4-whole": 16.0}
    first = {(depth, name): seconds for depth in DEPTHS for name, seconds in {**one, **many}.items()}
    second = {(depth, name): 3 * seconds for depth in DEPTHS for name, seconds in one.items()}
    memory = {(depth, name): 100 for depth in DEPTHS for name in {**one, **many}}
    measured = Measured([first, second], memory)
    found = {(row.depth, row.variant): row for row in rows(subject("mlp"), measured)}
    row = found[50, "ratlp"]
    assert (row.ratio, row.limit, row.over_limit, row.memory_ratio, row.rounds) == (1.5, 1.5, 1.0, 1.0, 2)
    assert row.ms == 6000
    row = found[50, "pgd-4-replay"]
    assert (row.ratio, row.limit, row.rounds) == (2.5, 2.5, 1)
    assert found[50, "inner-4-replay"].ratio == 1.0
    assert found[50, "inner-4-whole"].ratio == 6.0
    assert speedups(measured)[2] == {
        "depth": 50,
        "step": 3.2,
        "step_from_zero": 3.556,
        "inner_steps": 6.0,
        "inner_steps_from_zero": 8.0,
    }


@pytest.mark.filterwarnings("default")
def test_command_writes_its_files_and_no_others(tmp_path):
    out = tmp_path / "a" / "b"
    command = [sys.executable, SCRIPT, "--tiny", "--models", "mlp", "--rounds", "2", "--threads", "1"]
    done = subprocess.run([*command, "--out", out], capture_output=True, text=True, check=True)
    names = {"results.json", "meta.json", "table.txt", "step_cost.png", "step_cost.svg"}
    assert {path.name for path in out.iterdir()} == names
    assert done.stdout == (out / "table.txt").read_text(encoding="utf-8")
    assert done.stderr == ""
    found = json.loads((out / "results.json").read_text(encoding="utf-8"))
    assert list(found[0])[:5] == ["model", "depth", "variant", "ratio", "limit"]
    variants = {row["variant"] for row in found if row["depth"] == 0}
    assert variants >= {"standard", "ratlp", "literal", "recompute", "input-fgsm", "pgd-7", "pgd-4-whole"}
    assert {row["depth"] for row in found if row["variant"] == "ratlp"} == set(DEPTHS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--models", "mlp,gpt"], "found 'gpt'"),
        (["--rounds", "0"], "found '0'"),
        (["--models", "mlp", "--batch-size", "cnn=3"], "found 'cnn=3'"),
    ],
)
def test_command_says_what_is_wrong(options, message, tmp_path, capsys):
    from step_cost.command import main

    with pytest.raises(SystemExit):
        main([*options, "--out", str(tmp_path / "out")])
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
