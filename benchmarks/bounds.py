"""The cost of bounds, beside what they are held against; in each round both run, one after the other.

- CROWN of an MLP 784-256-256-10, batch 64: `linear_bounds` beside the PyPI package bound-propagation, both with
  adaptive slopes and without gradients. The two agree, which is checked.
- Interval bounds of the small CNN, batch 128: beside a forward pass; both without gradients.
- Interval training of the small CNN, batch 128: forward and backward of `RATLP` with `Propagated` at the input and
  `IntervalBound()`, with a clean term and without, beside forward and backward of the clean loss. No optimiser runs,
  and gradients are cleared outside the clock, in both.
- Linear bounds of the small CNN, batch 32, by each way of bounding the inputs of its ReLUs: beside interval bounds.

    python benchmarks/bounds.py --out benchmarks/results/bounds

Writes `results.json` and `table.md`. Weights and data are random; freed memory is kept at hand between the runs, as
allocators for GPUs do (see `shared/heap.py`).
"""

import argparse
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import torch
from shared.arguments import positive
from shared.files import as_json, write_whole
from shared.heap import keep_heap
from shared.origin import origin
from torch import nn
from torch.nn.functional import cross_entropy

from ratlp import RATLP
from ratlp.bounds import Interval, IntervalBound, linear_bounds, linear_margins
from ratlp.losses import AdversarialOnly, CrossEntropy, Loss
from ratlp.models import small_cnn
from ratlp.perturbations import Propagated

EPS = {"mlp": 0.01, "cnn": 0.1, "linear": 0.01}

Run = Callable[[], object]


class Pair(NamedTuple):
    """Two ways to be timed side by side, and at most how many times the second's time the first may take."""

    first: Run
    second: Run
    target: float | None
    clear: Run = lambda: None


def crown_of_mlp() -> Pair:
    """Whole-net linear bounds: ours, and those of bound-propagation."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # it uses torch.jit.script
        from bound_propagation import BoundModelFactory, HyperRectangle

    eps = EPS["mlp"]
    net = nn.Sequential(
        *(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10)),
    )
    x = torch.rand(64, 784)
    wrapped = BoundModelFactory(adaptive_relu=True).build(net)

    @torch.no_grad()
    def ours() -> Interval:
        return linear_bounds(net, Interval(x - eps, x + eps))

    @torch.no_grad()
    def theirs() -> Interval:
        found = wrapped.crown(HyperRectangle.from_eps(x, eps)).concretize()
        return Interval(found.lower, found.upper)

    for a, b in zip(ours().bounds, theirs().bounds, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-4)
    return Pair(ours, theirs, 1.0)


def _small_cnn(batch: int) -> tuple[nn.Module, torch.Tensor, torch.Tensor]:
    return small_cnn(), torch.rand(batch, 1, 28, 28), torch.randint(10, (batch,))


def interval_forward() -> Pair:
    """Interval bounds of a batch, and a forward pass."""
    net, x, _ = _small_cnn(128)
    lower, upper = (x - EPS["cnn"]).clamp(0, 1), (x + EPS["cnn"]).clamp(0, 1)
    return Pair(
        torch.no_grad()(lambda: net(Interval(lower, upper)).bounds), torch.no_grad()(lambda: net(x)), target=2.2
    )


def interval_training() -> Pair:
    """A step of certified training, and a standard one."""
    return _interval_training(CrossEntropy())


def interval_training_alone() -> Pair:
    """The same without a clean term."""
    return _interval_training(AdversarialOnly())


def _interval_training(loss: Loss) -> Pair:
    net, x, y = _small_cnn(128)
    budget = Propagated(EPS["cnn"], bounds=(0, 1))
    objective = RATLP(net, layer="input", perturbation=budget, maximiser=IntervalBound(), loss=loss)
    return Pair(
        lambda: objective(x, y).loss.backward(),
        lambda: cross_entropy(net(x), y).backward(),
        target=3.2,
        clear=net.zero_grad,
    )


def linear_by_interval() -> Pair:
    """CROWN-IBP's margins, and interval bounds."""
    return _linear_of_cnn("interval")


def linear_by_linear() -> Pair:
    """CROWN's margins, and interval bounds."""
    return _linear_of_cnn("linear")


def _linear_of_cnn(intermediate: str) -> Pair:
    net, x, y = _small_cnn(32)
    region = Interval((x - EPS["linear"]).clamp(0, 1), (x + EPS["linear"]).clamp(0, 1))
    return Pair(
        torch.no_grad()(lambda: linear_margins(net, region, y, intermediate=intermediate)),
        torch.no_grad()(lambda: net(region).bounds),
        target=None,
    )


PAIRS = {
    "CROWN of the MLP / bound-propagation's": crown_of_mlp,
    "interval bounds of the CNN / a forward pass": interval_forward,
    "interval training step of the CNN / a standard step": interval_training,
    "the same without a clean term / a standard step": interval_training_alone,
    "CROWN-IBP of the CNN / interval bounds": linear_by_interval,
    "CROWN of the CNN / interval bounds": linear_by_linear,
}


def seconds(run: Run, pair: Pair) -> float:
    """Of one run."""
    pair.clear()
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def measure(pair: Pair, rounds: int, at_most: float) -> list[tuple[float, float]]:
    """Seconds of both, by round; the first round is not counted. At most so many seconds in all, but one round."""
    found: list[tuple[float, float]] = []
    began = time.perf_counter()
    for number in range(rounds + 1):
        times = (seconds(pair.first, pair), seconds(pair.second, pair))
        if number:
            found.append(times)
        if found and time.perf_counter() - began > at_most:
            break
    return found


def row(name: str, found: list[tuple[float, float]], target: float | None) -> dict[str, object]:
    """What is reported of a pair: medians, and the ratio of each round."""
    ratios = [first / second for first, second in found]
    return {
        "pair": name,
        "milliseconds": [1e3 * median(side) for side in zip(*found, strict=True)],
        "ratio": median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "target": target,
        "rounds": len(found),
    }


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    lines = [
        "| first / second | first, ms | second, ms | ratio (min to max) | at most | rounds |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for r in rows:
        first, second = r["milliseconds"]
        low, high = r["ratio_range"]
        target = "" if r["target"] is None else f"{r['target']:.1f}"
        lines.append(
            f"| {r['pair']} | {first:.2f} | {second:.2f} | {r['ratio']:.2f} ({low:.2f} to {high:.2f}) "
            f"| {target} | {r['rounds']} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, print, and write `results.json` and `table.md`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=positive, default=50)
    parser.add_argument("--at-most", type=float, default=60, metavar="S", help="seconds for each pair")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    heap = "kept between runs" if keep_heap() else "as the system has it"
    rows = []
    for name, make in PAIRS.items():
        torch.manual_seed(0)
        pair = make()
        rows.append(row(name, measure(pair, options.rounds, options.at_most), pair.target))
    print(table(rows), end="")
    content = origin("bounds.py", sys.argv[1:], ("torch", "bound-propagation")) | {
        "heap": heap,
        "eps": EPS,
        "results": rows,
    }
    write_whole(options.out / "results.json", as_json(content))
    write_whole(options.out / "table.md", table(rows).encode())


if __name__ == "__main__":
    main()
