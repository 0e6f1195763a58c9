"""The command line of `benchmarks/fashion_mnist.py`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

import torch
from shared.arguments import check_packages, positive, some_of
from shared.heap import keep_heap
from shared.origin import origin

import ratlp
from ratlp.errors import InputError, RatlpError
from robust_training.data import LARGE, load
from robust_training.evaluating import PGD_RESTARTS, PGD_STEPS, evaluated
from robust_training.folder import Folder
from robust_training.nets import NETS, activations
from robust_training.plot import plot
from robust_training.recipes import EPS, HIGH_LR, LR, METHODS, Recipe
from robust_training.results import Row, Trial, table
from robust_training.stages import Plan, name_of, trainings
from robust_training.timing import kept_ratios
from robust_training.training import BATCH, DECAY_FROM


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, evaluate, time; print the table and write the files. What is there already is not done again."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(given)
    check_packages(parser, {"pyautoattack": "pyautoattack", "matplotlib": "'ratlp[cli]'"})
    torch.set_num_threads(options.threads)
    kept = keep_heap()
    try:
        data = load(options.data)
    except RatlpError as error:
        parser.error(str(error))
    epochs = options.epochs or (10 if len(data.train[1]) >= LARGE else 100)
    methods = tuple(options.methods)
    plans = [
        Plan(net, data, methods, epochs, options.seeds, tune=options.tune, layers=options.layers)
        for net in options.nets
    ]
    if not all(plan.groups() for plan in plans):
        parser.error(f"--layers must leave something to train of each net; found {','.join(options.layers)}")
    try:
        folder = Folder(options.out)
        folder.claim({"data": data.name, "epochs": epochs, "attack_samples": options.attack_samples})
        found = [_work(plan, folder, options) for plan in plans]
    except InputError as error:
        parser.error(str(error))
    rows, trials = ([one for part in parts for one in part] for parts in zip(*found, strict=True))
    text = table(rows, trials)
    print(text)
    folder.write("results.json", [row.to_dict() for row in rows])
    folder.write("settings.json", [asdict(trial) for trial in trials])
    folder.write("meta.json", _meta(given, options, epochs) | {"heap": "kept" if kept else "as the system has it"})
    folder.write_bytes("table.txt", text.encode())
    for name, content in plot(rows, data=data.name).items():
        folder.write_bytes(name, content)


def _work(plan: Plan, folder: Folder, options: argparse.Namespace) -> tuple[list[Row], list[Trial]]:
    """Train every setting; evaluate, on the test part, those alone that validation chooses."""
    chosen, trials = [], []
    for recipe, runs, is_chosen in trainings(plan, folder, say=_say):
        trials.append(_trial(plan, recipe, runs, is_chosen))
        for seed, run in enumerate(runs if is_chosen else []):
            accuracies = _evaluated(plan, recipe, seed, folder, options.attack_samples)
            chosen.append((recipe, {"seed": seed, "epoch": run["epoch"]} | accuracies))
    ratios = kept_ratios(plan, [recipe for recipe, _ in chosen], folder, rounds=options.rounds)
    return [_row(plan, recipe, found, ratios) for recipe, found in chosen], trials


def _trial(plan: Plan, recipe: Recipe, runs: list[Any], chosen: bool) -> Trial:
    clean, attacked = (round(mean(run[name] for run in runs), 3) for name in ("clean", "attacked"))
    return Trial(plan.net, recipe.method, recipe.layer, recipe.setting, clean, attacked, len(runs), chosen)


def _evaluated(plan: Plan, recipe: Recipe, seed: int, folder: Folder, attack_samples: int) -> dict[str, float]:
    name = name_of(plan, recipe, seed)
    found: dict[str, float] | None = folder.read(f"rows/{name}.json")
    if found is None:
        found = asdict(evaluated(ratlp.load(folder.model(name)), plan.data, attack_samples=attack_samples))
        folder.write(f"rows/{name}.json", found)
        _say(f"{name}: " + ", ".join(f"{key} {value:.1f}" for key, value in found.items()))
    return found


def _row(plan: Plan, recipe: Recipe, found: dict[str, Any], ratios: dict[str, dict[str, float]]) -> Row:
    return Row(
        method=recipe.method,
        layer=recipe.layer,
        time_ratio=ratios[recipe.timed_as]["ratio"],
        net=plan.net,
        setting=recipe.setting,
        **found,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fashion_mnist.py",
        description="Robust and certified accuracy against the cost of training, every method on one footing.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--data", default="digits", help="digits, or a folder of IDX files (MNIST, Fashion-MNIST)")
    add("--methods", type=some_of(METHODS), default=",".join(METHODS), metavar="NAMES", help="with commas between")
    add("--nets", type=some_of(NETS), default="small", metavar="NAMES", help="small, wide, or small,wide")
    layers = dict.fromkeys(layer for make in NETS.values() for layer in activations(make()))
    add("--layers", type=some_of(layers), metavar="NAMES", help="where methods in the latent are tried; all of theirs")
    add("--epochs", type=positive, help="of every training; 10 with 10,000 images or more, else 100", default=None)
    add("--seeds", type=positive, default=3, help="of the settings that come close to the best")
    add("--tune", action=argparse.BooleanOptionalAction, default=True, help="try every setting, not one")
    add("--attack-samples", type=positive, default=1000, metavar="N", help="test images under attack, the first N")
    add("--rounds", type=positive, default=11, help="of the timing")
    add("--threads", type=positive, default=torch.get_num_threads(), help="torch's")
    add("--out", type=Path, required=True, default=argparse.SUPPRESS, help="folder for results and nets; goes on there")
    return parser


def _meta(given: Sequence[str], options: argparse.Namespace, epochs: int) -> dict[str, Any]:
    rates = f"{LR:g}, or {HIGH_LR:g} where a setting says so"
    return origin("fashion_mnist.py", given, ("torch", "ratlp", "pyautoattack")) | {
        "eps": EPS,
        "epochs": epochs,
        "batch": BATCH,
        "optimiser": f"Adam, learning rate {rates}, falling linearly to 0 from {DECAY_FROM:.0%} of the steps",
        "ramp": "eps rises linearly over the first half of the steps, but where a setting says 'no ramp'",
        "stopping": "the epoch of the second half with the best mean of clean and attacked validation accuracy",
        "attacks": f"PGD, {PGD_STEPS} steps, {PGD_RESTARTS} restarts; AutoAttack's APGD-CE and APGD-T, 100 steps",
        "attack_samples": options.attack_samples,
        "timing_rounds": options.rounds,
    }


def _say(text: str) -> None:
    """A line for each finished piece of work."""
    print(text, file=sys.stderr, flush=True)
