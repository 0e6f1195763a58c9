"""Training steps of two gloo processes on half the batch each, to hold against one process on all of it.

`gradients_of` starts the processes, which run this file; `alone` takes the same step in one process.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.nn.parallel import DistributedDataParallel

from ratlp import RATLP
from ratlp.attacks import PGD
from ratlp.bounds import IntervalBound
from ratlp.losses import TRADES, AdversarialOnly
from ratlp.perturbations import L2, LInf, Propagated, rms_per_sample

BATCH = 20
Made = tuple[nn.Module, Tensor, Tensor]


class Block(nn.Module):
    """A residual block."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


def blocks() -> Made:
    """Residual blocks, each of which can be sharded."""
    model = nn.Sequential(nn.Linear(6, 8), Block(), Block(), Block(), nn.Linear(8, 3)).double()
    return model, torch.rand(BATCH, 6).double(), torch.randint(3, (BATCH,))


def cnn() -> Made:
    """Convolutions with BatchNorm in eval mode, whose training statistics depend on the whole batch."""
    model = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(inplace=True)),
        nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()),
        *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 3)),
    ).double()
    x = torch.rand(BATCH, 1, 8, 8).double()
    model(x)
    return model.eval(), x, torch.randint(3, (BATCH,))


class FixedStart(LInf):
    """A ball whose random start depends on the sample alone, not on which process draws it."""

    def random(self, point: Tensor) -> Tensor:
        """A perturbation in the ball."""
        return self.eps * (37 * point).sin()


@dataclass(frozen=True)
class Case:
    """A step to take: a model, the objective's options, and how the two processes go about it.

    Attributes:
        make: Gives `(model, x, y)`.
        options: Of `RATLP`.
        frozen: How many of the model's first modules are not trained.
        shard: Options of `fully_shard`.
        validate: Whether an evaluation under `torch.no_grad()` precedes the step.
        accumulate: Over how many parts of its share of the batch a process sums up gradients.
    """

    make: Callable[[], Made]
    options: dict[str, Any]
    frozen: int = 0
    shard: dict[str, Any] = field(default_factory=dict)
    validate: bool = False
    accumulate: int = 1

    def built(self) -> Made:
        """The same for each process."""
        torch.manual_seed(0)
        model, x, y = self.make()
        model[: self.frozen].requires_grad_(False)
        return model, x, y


def options(layer: str | list[str], **others: Any) -> dict[str, Any]:
    """The options of an objective, with a set that is relative to each sample alone."""
    return {"layer": layer, "perturbation": L2(0.1, relative_to=rms_per_sample), "weight": 0.7, **others}


CLIMB = {"maximiser": PGD(steps=3, random_start=False)}
FROM_ZERO = {"maximiser": PGD(steps=3, random_start=False, keep_best=False)}
INPUT = {"perturbation": LInf(0.1, bounds=(0, 1)), "loss": AdversarialOnly()}
DIVERGENCE = {"perturbation": FixedStart(0.1), "maximiser": PGD(steps=2), "loss": TRADES()}

BOX = {"perturbation": Propagated(0.05, bounds=(0, 1))}

STEPS = {
    "first layer": options("0"),
    "mid layer": options("2"),
    "last layer": options("4"),
    "mid layer, pgd": options("2", **CLIMB),
    "mid layer, pgd from zero": options("2", **FROM_ZERO),
    "mid layer, adversarial loss only": options("2", loss=AdversarialOnly()),
    "mid layer, pgd, adversarial loss only": options("2", loss=AdversarialOnly(), **CLIMB),
    "mid layer, trades": options("2", **DIVERGENCE),
    "input, fgsm": options("input", **INPUT),
    "input, pgd": options("input", **INPUT, **CLIMB),
    "input, trades": options("input", **DIVERGENCE),
    "several layers": options(["1", "3"]),
    "several layers, pgd": options(["1", "3"], **CLIMB),
}
BOXES = {
    "mid layer, propagated": options("2", **BOX),
    "mid layer, propagated, pgd": options("2", **BOX, **CLIMB),
    "several layers, propagated": options(["1", "3"], **BOX),
    "input, interval bound": options("input", **BOX, maximiser=IntervalBound()),
    "mid layer, interval bound": options("2", **BOX, maximiser=IntervalBound()),
}
EACH = {f"blocks, {name}": Case(blocks, step) for name, step in STEPS.items()}

DDP = {
    **EACH,
    **{f"cnn, {name}": Case(cnn, step) for name, step in {**STEPS, **BOXES}.items()},
    "frozen prefix, propagated": Case(cnn, options("3", **BOX), frozen=3),
    "frozen prefix": Case(blocks, options("2"), frozen=2),
    "frozen beyond the layer": Case(blocks, options("1"), frozen=3),
    "accumulated": Case(blocks, options("2", **CLIMB), accumulate=2),
    "after validation": Case(blocks, options("2"), validate=True),
}
FSDP = {
    **EACH,
    "frozen prefix": Case(blocks, options("2"), frozen=2),
    "accumulated": Case(blocks, options("2", **CLIMB), accumulate=2),
    "after validation": Case(blocks, options("2"), validate=True),
}
UNSHARDED = {"reshard_after_forward": False}
KEPT_UNSHARDED = {
    f"{name}, validated before: {validate}": replace(case, shard=UNSHARDED, validate=validate)
    for name, case in FSDP.items()
    for validate in (False, True)
}
WAYS = {"ddp": DDP, "fsdp": FSDP, "fsdp kept unsharded": KEPT_UNSHARDED}

Gradients = dict[str, Tensor | None]


def alone(case: Case) -> Gradients:
    """The gradients of one process on the whole batch."""
    model, x, y = case.built()
    RATLP(model, **case.options)(x, y).loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}


def gradients_of(way: str, folder: Path) -> dict[str, list[Gradients]]:
    """The gradients that two processes agree on, by case, of a first and of a second step."""
    out = folder / "gradients.pt"
    paths = [path for path in sys.path if path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)}
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, way, str(rank), str(folder / "store"), str(out)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        errors = [worker.communicate(timeout=120)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    found: dict[str, list[Gradients]] = torch.load(out)
    return found


def differences(
    found: dict[str, list[Gradients]],
    cases: dict[str, Case],
    *,
    relative: float,
) -> dict[str, list[str]]:
    """By case, the parameters whose gradients are not those of one process."""
    wrong: dict[str, list[str]] = {}
    for name, case in cases.items():
        for parameter, expected in alone(case).items():
            if not all(_close(step[parameter], expected, relative) for step in found[name]):
                wrong.setdefault(name, []).append(parameter)
    return wrong


def _close(found: Tensor | None, expected: Tensor | None, relative: float) -> bool:
    if found is None or expected is None:
        return found is expected
    return bool((found - expected).abs().max() <= relative * expected.abs().max())


def _steps(way: str, case: Case, rank: int) -> list[Gradients]:
    """One process's part: two steps, the second on gradients set to None."""
    model, x, y = case.built()
    objective: nn.Module
    if way == "ddp":
        objective = DistributedDataParallel(RATLP(model, **case.options), find_unused_parameters=False)
    else:
        mesh = init_device_mesh("cpu", (2,))
        for module in model:
            if any(True for _ in module.parameters()):
                fully_shard(module, mesh=mesh, **case.shard)
        fully_shard(model, mesh=mesh, **case.shard)
        objective = RATLP(model, **case.options)
    share = BATCH // 2
    parts = torch.arange(rank * share, (rank + 1) * share).chunk(case.accumulate)
    steps = []
    for _ in range(2):
        objective.zero_grad()
        if case.validate:
            with torch.no_grad():
                objective(x[parts[0]], y[parts[0]])
        for part in parts:
            (objective(x[part], y[part]).loss / len(parts)).backward()
        steps.append({name: _whole(p.grad) for name, p in model.named_parameters()})
    return steps


def _whole(gradient: Any) -> Tensor | None:
    return gradient.full_tensor() if hasattr(gradient, "full_tensor") else gradient


def _work(way: str, rank: int, store: str, out: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
    found = {name: _steps(way, case, rank) for name, case in WAYS[way].items()}
    if rank == 0:
        torch.save(found, out)
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
