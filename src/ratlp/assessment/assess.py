"""Attacks, curves, distances, self-checks and certificates of one model, each kept as soon as it is found."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

from torch import Tensor, nn

from ratlp.assessment.assessment import Assessment, Certified
from ratlp.assessment.contradiction import contradicted
from ratlp.assessment.journal import Journal
from ratlp.assessment.plan import Plan
from ratlp.certificates import Effort, certify
from ratlp.errors import BoundError
from ratlp.evaluation import (
    Check,
    Curve,
    Distances,
    Evaluation,
    Options,
    Progress,
    evaluate,
    minimal_distances,
    robustness_curve,
)
from ratlp.evaluation.checks import run_checks
from ratlp.latent.layers import INPUT, at_layer

Watch = Callable[[str], AbstractContextManager[Callable[[Progress], None]]]
"""`with watch(stage) as tell`: announces a stage; `tell` is called with its progress, if it has any."""


def unwatched(stage: str) -> AbstractContextManager[Callable[[Progress], None]]:
    """Nobody looks."""
    return nullcontext(lambda progress: None)


def assess(
    model: nn.Module, x: Tensor, y: Tensor, plan: Plan, journal: Journal, *, watch: Watch = unwatched, prefix: str = ""
) -> Assessment:
    """Find out all that a plan asks for. What the journal holds is not run again.

    Args:
        model: As in `evaluate`.
        x: Inputs, `[n, *features]`.
        y: Labels, `[n]`.
        plan: What, where, within which budgets.
        journal: Of a run with this model, these samples and this plan.
        watch: Told of each stage.
        prefix: Before the stages' names, where several models share a journal.

    Raises:
        InputError: Inputs, labels or logits break a rule.
        LayerError: A layer cannot serve as a latent.

    Example:
        >>> import tempfile, torch
        >>> from pathlib import Path
        >>> from ratlp.assessment.plan import Budget
        >>> from ratlp.evaluation.records import digest
        >>> plan = Plan(("fgsm",), "linf", {"input": Budget((0.1,))}, checks=False)
        >>> net, x = nn.Linear(2, 2), torch.rand(20, 2)
        >>> y = net(x).argmax(1)
        >>> of = {"model": digest(net, (x, y), {}), **plan.settings()}
        >>> with Journal(Path(tempfile.mkdtemp()) / "unfinished.jsonl", of) as journal:
        ...     found = assess(net, x, y, plan, journal)
        >>> found.worst_case("input") == found.evaluation.worst_case
        True
    """
    return _Run((model, x, y), plan, journal, watch, prefix).all()


@dataclass
class _Run:
    data: tuple[nn.Module, Tensor, Tensor]
    plan: Plan
    journal: Journal
    watch: Watch
    prefix: str
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def few(self) -> tuple[nn.Module, Tensor, Tensor]:
        """The first samples."""
        model, x, y = self.data
        return model, x[: self.plan.few], y[: self.plan.few]

    def all(self) -> Assessment:
        plan = self.plan
        with self._stage("attacks") as options:
            evaluation = evaluate(*self.data, plan.suite(), **options)
        curves, distances, certificates = [], [], []
        for layer, budget in plan.budgets.items():
            attack, place = plan.primary(layer), at_layer(layer)
            with self._stage(f"curve{place}") as options:
                curves.append(robustness_curve(*self.data, attack, budget.curve, **options))
            with self._stage(f"distances{place}") as options:
                distances.append(minimal_distances(*self.few, attack.at(budget.curve[-1]), **options))
        checks = self._once("self-checks", self._checks) if plan.checks else []
        for curve, distance in zip(curves, distances, strict=True) if plan.certify else ():
            compute = partial(self._certified, evaluation, curve, distance)
            found = self._once(f"certificates{at_layer(curve.layer)}", compute)
            certificates.append(Certified.from_dict(found))
        found_out = [*(Check(**check) for check in checks), *(one.check() for one in certificates)]
        return Assessment(
            replace(evaluation, checks=tuple(found_out)),
            tuple(curves),
            tuple(distances),
            tuple(certificates),
            {**{f"attack {name}": seconds for name, seconds in evaluation.timings.items()}, **self.timings},
        )

    @contextmanager
    def _timed(self, name: str) -> Iterator[tuple[str, Callable[[Progress], None]]]:
        """A stage's name in the journal, and whom to tell of its progress."""
        begun, stage = time.perf_counter(), self.prefix + name
        with self.watch(stage) as tell:
            yield stage, tell
        self.timings[name] = time.perf_counter() - begun

    @contextmanager
    def _stage(self, name: str) -> Iterator[Options]:
        """The options by which a stage goes on where it was, and keeps what it finds."""
        with self._timed(name) as (stage, tell):
            yield {
                "seed": self.plan.seed,
                "batch_size": self.plan.batch_size,
                "done": self.journal.records(stage),
                "record": self.journal.keep(stage),
                "progress": tell,
            }

    def _once(self, name: str, compute: Callable[[], Any]) -> Any:
        with self._timed(name) as (stage, _):
            return self.journal.value(stage, compute)

    def _checks(self) -> list[dict[str, Any]]:
        return [asdict(check) for check in run_checks(*self.few, self.plan.suite(), seed=self.plan.seed)]

    def _certified(self, evaluation: Evaluation, curve: Curve, distances: Distances) -> dict[str, Any]:
        plan, layer = self.plan, curve.layer
        try:
            found = certify(
                *self.data,
                eps=plan.budgets[layer].curve,
                layer=layer,
                norm=plan.norm,
                bounds=plan.bounds if layer == INPUT else None,
                effort=Effort(tolerance=math.inf, batch_size=plan.batch_size or 256),
            )
        except BoundError as error:
            return Certified(layer, plan.norm, (), {"": str(error)}).to_dict()
        return Certified.of(found, contradicted=contradicted(found, evaluation, curve, distances)).to_dict()
