"""The command line of `benchmarks/step_cost.py`."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from shared.arguments import CLOCKS, check_packages, positive, some_of
from shared.files import as_json, write_whole
from shared.heap import keep_heap
from shared.origin import origin

from step_cost.measuring import Bench
from step_cost.models import SIZES, TINY, Sizes, build
from step_cost.plot import plot
from step_cost.results import rows, shares, speedups, table
from step_cost.variants import EPS

MEMORY = {
    "cpu": "peak of the running sum of torch's allocations in one step; libraries' scratch space not seen",
    "cuda": "torch.cuda.max_memory_allocated in one step, less what was allocated before",
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print the table, write the files."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser()
    options = parser.parse_args(given)
    sizes = _checked(parser, options)
    torch.set_num_threads(options.threads)
    kept = options.heap == "keep" and options.device == "cpu" and keep_heap()
    started = time.perf_counter()
    found, parts, faster = [], {}, {}
    for name in options.models:
        torch.manual_seed(0)
        subject = build(name, sizes[name], device=options.device)
        bench = Bench(subject, CLOCKS[options.clock])
        with _progress(name, bench.count(options.rounds, options.pgd_every)) as advance:
            measured = bench.run(options.rounds, options.pgd_every, advance)
        found += rows(subject, measured)
        parts[name], faster[name] = shares(measured), speedups(measured)
    text = table(found, faster)
    print(text, end="")
    meta = _meta(given, options, sizes) | {
        "heap": "kept between steps" if kept else "as the system has it",
        "seconds": round(time.perf_counter() - started),
        "shares": parts,
        "whole_over_replay": faster,
    }
    contents = {
        "results.json": as_json([row.to_dict() for row in found]),
        "meta.json": as_json(meta),
        "table.txt": text.encode(),
        **plot(found),
    }
    for name, content in contents.items():
        write_whole(options.out / name, content)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="step_cost.py",
        description="The cost of a training step, forward and backward, over a standard step: RAT-LP at each "
        "depth, its limit, and what one would write instead.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--models",
        type=some_of(SIZES),
        default=",".join(SIZES),
        metavar="NAMES",
        help="with commas between them",
    )
    add(
        "--out",
        type=Path,
        required=True,
        default=argparse.SUPPRESS,
        help="folder for the results; made where it is missing",
    )
    add("--rounds", type=positive, default=12, help="timed rounds, each with every one-step variant once")
    add(
        "--pgd-every",
        type=positive,
        default=3,
        metavar="N",
        help="time PGD in every N-th round only",
    )
    add(
        "--batch-size",
        default="",
        metavar="SIZES",
        help="32, or cnn=64,bert=8; else the models' own",
    )
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where to run")
    add("--threads", type=positive, default=torch.get_num_threads(), help="torch's threads on the CPU")
    add(
        "--clock",
        choices=tuple(CLOCKS),
        default="wall",
        help="cpu: this process's own time",
    )
    add("--heap", choices=("keep", "system"), default="keep", help="keep: freed memory stays at hand (glibc)")
    add("--tiny", action="store_true", help="tiny models, to try the command; their times mean nothing")
    return parser


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> dict[str, Sizes]:
    """The sizes of the chosen models, or the parser's error."""
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda needs a GPU and torch built for it; found none: use --device cpu")
    if options.device == "cuda" and options.clock != "wall":
        parser.error("--clock cpu does not see a GPU's time: use --clock wall")
    if {"vit", "bert"} & set(options.models):
        check_packages(parser, {"transformers": "transformers, or choose --models mlp,cnn"})
    check_packages(parser, {"matplotlib": "'ratlp[cli]'"})
    sizes = {name: (TINY if options.tiny else SIZES)[name] for name in options.models}
    for entry in filter(None, options.batch_size.split(",")):
        name, _, number = entry.rpartition("=")
        if not number.isdecimal() or int(number) < 1 or (name and name not in sizes):
            parser.error(f"--batch-size takes 32, or cnn=64,bert=8 with chosen models; found {entry!r}")
        for chosen in [name] if name else list(sizes):
            sizes[chosen] = replace(sizes[chosen], batch=int(number))
    return sizes


def _meta(given: Sequence[str], options: argparse.Namespace, sizes: dict[str, Sizes]) -> dict[str, Any]:
    packages = ["torch", *(["transformers"] if {"vit", "bert"} & sizes.keys() else [])]
    return origin("step_cost.py", given, packages, device=options.device) | {
        "step": "forward and backward; gradients cleared outside the clock; no optimiser",
        "spread": "quartiles over the rounds",
        "memory": MEMORY[options.device],
        "clock": options.clock,
        "rounds": options.rounds,
        "pgd_every": options.pgd_every,
        "eps": EPS,
        "sizes": {name: vars(size) for name, size in sizes.items()},
    }


@contextmanager
def _progress(name: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar on stderr where that is a terminal and rich is installed; else nothing."""
    if not sys.stderr.isatty() or importlib.util.find_spec("rich") is None:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=total)
        yield lambda: bar.advance(task)
