"""The command line of `benchmarks/attacks.py`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from shared.arguments import CLOCKS, check_packages, positive
from shared.files import as_json, write_whole
from shared.heap import keep_heap
from shared.origin import origin

from attack_cost.attackers import Settings
from attack_cost.latent import STEPS, latent_times
from attack_cost.nets import EPS, Target, cnn_on, mlp_on
from attack_cost.plot import plot
from attack_cost.results import table
from attack_cost.strength import strengths
from attack_cost.timing import BATCH, pgd_times
from ratlp.data import Source, load_source
from ratlp.errors import RatlpError

PEERS = ("foolbox", "adversarial-robustness-toolbox", "torchattacks", "pyautoattack")


def main(arguments: Sequence[str] | None = None) -> None:
    """Attack, time, print the table, write the files."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(given)
    check_packages(parser, {"matplotlib": "'ratlp[cli]'"})
    try:
        sources = [load_source(spec) for spec in dict.fromkeys(("digits", options.data))]
    except RatlpError as error:
        parser.error(str(error))
    torch.set_num_threads(options.threads)
    kept = keep_heap()
    settings = Settings(EPS, options.steps, options.restarts)
    measuring: dict[str, Any] = {
        "rounds": options.rounds,
        "at_most": options.at_most,
        "clock": CLOCKS[options.clock],
    }
    targets = _targets(sources, options)
    found = [row for target in targets for row in strengths(target, settings, worst_case=not options.tiny)]
    timed = replace(settings, restarts=options.timed_restarts)
    times = [row for target in targets for row in pgd_times(target, timed, **measuring)]
    latents = latent_times(tiny=options.tiny, **measuring)
    text = table(found, times, latents)
    print(text, end="")
    results = {"accuracy": found, "time": times, "latent": latents}
    contents = {
        "results.json": as_json({kind: [asdict(row) for row in rows] for kind, rows in results.items()}),
        "meta.json": as_json(_meta(given, options) | {"heap": "kept" if kept else "as the system has it"}),
        "table.txt": text.encode(),
        **plot(found, times, latents),
    }
    for name, content in contents.items():
        write_whole(options.out / name, content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="attacks.py",
        description="Attacks beside those of other packages: what they break at equal settings, and their time.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, default=argparse.SUPPRESS, help="folder for the results")
    add("--data", default="digits", help="images for the CNN: digits, or a folder of IDX files")
    add("--mlp", type=Path, metavar="FILE", help="weights of the MLP on digits by ratlp.save; else it is trained")
    add("--cnn", type=Path, metavar="FILE", help="weights of the CNN, likewise")
    add("--train-steps", type=positive, default=400, help="of training, on 128 images each")
    add("--samples", type=positive, default=1000, help="of the test part that are attacked, at most")
    add("--steps", type=positive, default=40, help="of PGD and APGD, for each restart")
    add("--restarts", type=positive, default=5, help="of PGD and APGD")
    add("--timed-restarts", type=positive, default=2, help="of PGD, where its time is taken")
    add("--rounds", type=positive, default=15, help="timed rounds, each with every package once")
    add("--at-most", type=float, default=60, metavar="S", help="seconds for the rounds of one net")
    add("--clock", choices=tuple(CLOCKS), default="wall", help="cpu: this process's own time")
    add("--threads", type=positive, default=1, help="torch's threads")
    add("--tiny", action="store_true", help="tiny latents and no worst case, to try the command")
    return parser


def _targets(sources: Sequence[Source], options: argparse.Namespace) -> list[Target]:
    """The MLP on digits, and a CNN on each; weights that are given belong to the last one's images."""
    sizes = {"samples": options.samples, "train_steps": options.train_steps}
    torch.manual_seed(0)
    found = [mlp_on(sources[0], weights=options.mlp, **sizes)]
    return found + [cnn_on(each, weights=options.cnn if each is sources[-1] else None, **sizes) for each in sources]


def _meta(given: Sequence[str], options: argparse.Namespace) -> dict[str, Any]:
    return origin("attacks.py", given, ("torch", *PEERS)) | {
        "eps": EPS,
        "steps": options.steps,
        "restarts": options.restarts,
        "timed_restarts": options.timed_restarts,
        "step_size": "2.5 * eps / steps",
        "batch": BATCH,
        "latent_steps": STEPS,
        "spread": "quartiles over the rounds",
        "clock": options.clock,
    }
