"""Nets trained per second: all seeds in one stack, against the loop over seeds.

Both methods of Table 1 (standard training and RAT-LP) at the paper's setting, data drawing included. Three
ways in one run, interleaved: the stack, the loop with `RATLP`, and the loop with Algorithm 1 written by hand,
which is what a user would write.

    python benchmarks/seed_throughput.py --out benchmarks/results/seed_throughput
"""

import argparse
import sys
import time
from pathlib import Path
from statistics import median

import torch
from shared.arguments import positive
from shared.files import as_json, write_whole
from shared.origin import origin
from torch.nn.functional import cross_entropy

from ratlp.data import Moons
from ratlp.experiments import METHODS, Setting
from ratlp.experiments.training import Member, train_one, train_stacked


def stacked(seeds: range) -> None:
    """Table 1's nets in one stack a method."""
    for method in METHODS:
        train_stacked([Member.of(Moons(), Setting(), seed) for seed in seeds], Setting(), method)


def looped(seeds: range) -> None:
    """The same nets, one after the other."""
    for seed in seeds:
        for method in METHODS:
            train_one(Member.of(Moons(), Setting(), seed), Setting(), method)


def by_hand(seeds: range) -> None:
    """The same nets, one after the other, Algorithm 1 as one writes it down."""
    setting = Setting()
    for seed in seeds:
        for method in METHODS:
            member = Member.of(Moons(), setting, seed)
            f, g, split = member.net.encoder, member.net.classifier, member.split
            optimiser = torch.optim.Adam(member.net.parameters(), lr=setting.lr)
            for _ in range(setting.epochs):
                order = torch.randperm(len(split.x_train), generator=member.generator)
                for batch in order.split(setting.batch_size):
                    x, y = split.x_train[batch], split.y_train[batch]
                    z = f(x)
                    loss = cross_entropy(g(z), y)
                    if method == "ratlp":
                        (gradient,) = torch.autograd.grad(loss, z, retain_graph=True)
                        loss = loss + cross_entropy(g(z + setting.eps * gradient.sign()), y)
                    optimiser.zero_grad()
                    loss.backward()
                    optimiser.step()


WAYS = {"stacked": (stacked, 100), "loop with RATLP": (looped, 2), "loop by hand": (by_hand, 2)}


def measure(rounds: int) -> dict[str, list[float]]:
    """Nets per second of each way, one value a round; a first round is not counted."""
    rates: dict[str, list[float]] = {name: [] for name in WAYS}
    for round_ in range(rounds + 1):
        for name, (way, count) in WAYS.items():
            start = time.perf_counter()
            way(range(count))
            if round_:
                rates[name].append(2 * count / (time.perf_counter() - start))
    return rates


def main() -> None:
    """Measure, print, and write `results.json` and `table.txt`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=positive, default=7)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    rates = measure(options.rounds)
    ratios = {name: [a / b for a, b in zip(rates["stacked"], values, strict=True)] for name, values in rates.items()}
    lines = [f"{'way':<16} {'nets/s':>8} {'min':>8} {'max':>8}   stacked is faster by (min - max)"]
    for name, values in rates.items():
        r = ratios[name]
        lines.append(
            f"{name:<16} {median(values):8.2f} {min(values):8.2f} {max(values):8.2f}   "
            f"{median(r):6.1f} ({min(r):.1f} - {max(r):.1f})"
        )
    print("\n".join(lines))
    content = origin("seed_throughput.py", sys.argv[1:], ("torch",)) | {
        "nets_per_second": rates,
        "stacked_over": ratios,
    }
    write_whole(options.out / "results.json", as_json(content))
    write_whole(options.out / "table.txt", ("\n".join(lines) + "\n").encode())


if __name__ == "__main__":
    main()
