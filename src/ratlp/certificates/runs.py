"""Methods one after another, each on what those before it have left open."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ratlp.certificates.certification import MethodRun
from ratlp.certificates.methods import Method
from ratlp.certificates.problem import Problem
from ratlp.certificates.search import RadiusSearch
from ratlp.errors import BoundError
from ratlp.perturbations import Norm


@dataclass(frozen=True)
class Progress:
    """How far a certification has come.

    Attributes:
        method: What is running.
        done: Samples that it is done with.
        total: Samples that it was given.
        certified: Certified accuracy at the largest eps so far, in [0, 1]; samples that are still to come count as
            not certified.

    Example:
        >>> Progress("interval", done=256, total=1000, certified=0.125).method
        'interval'
    """

    method: str
    done: int
    total: int
    certified: float


class Runs:
    """The methods' runs on one problem.

    Args:
        problem: The samples and their balls.
        correct: `[n]`, which are classified as their label; the others are left alone.
        search: Which radii matter.
        progress: Told how far it has come, after every batch.
    """

    def __init__(
        self, problem: Problem, correct: Tensor, search: RadiusSearch, progress: Callable[[Progress], None] | None
    ) -> None:
        self._problem = problem
        self._correct = correct
        self._search = search
        self._progress = progress
        self._radius = torch.zeros(len(correct), dtype=torch.float64)
        self._exact = False

    def of(self, methods: Sequence[Method]) -> tuple[MethodRun, ...]:
        """Run them in order.

        Raises:
            BoundError: None could serve; with the reason of each.
        """
        runs = tuple(map(self._run, methods))
        if all(run.refused for run in runs):
            reasons = "; ".join(f"{run.name}: {run.refused}" for run in runs)
            raise BoundError(f"no method can certify this model. {reasons}")
        return runs

    def _run(self, method: Method) -> MethodRun:
        rows = self._open()
        if len(rows) == 0:
            return MethodRun(method.name, samples=0, seconds=0.0)
        before, start, done, refused = self._radius.clone(), time.perf_counter(), 0, None
        try:
            _check_norm(method, self._problem.space.norm)
            self._tell(method, done, rows)
            for part, radii in method.radii(self._problem, rows, before, self._search):
                self._radius[part] = torch.maximum(before[part], radii)
                done += len(part)
                self._tell(method, done, rows)
        except BoundError as error:
            self._radius, refused = before, str(error)
        seconds = time.perf_counter() - start
        if refused is not None:
            return MethodRun(method.name, len(rows), seconds, refused)
        self._exact = self._exact or method.is_exact(self._problem.space)
        gained = torch.where(self._radius > before, self._radius, 0.0)
        return MethodRun(method.name, len(rows), seconds, radius=tuple(gained.tolist()))

    def _open(self) -> Tensor:
        """The samples for which a larger radius is wanted, and may be had."""
        largest = max(self._search.eps, default=0.0)
        wanted = self._correct & (self._radius < largest)
        return (wanted & (not self._exact)).nonzero().flatten()

    def _tell(self, method: Method, done: int, rows: Tensor) -> None:
        if self._progress is not None:
            certified = self._correct & (self._radius >= max(self._search.eps, default=0.0))
            self._progress(Progress(method.name, done, len(rows), int(certified.sum()) / len(certified)))


def _check_norm(method: Method, norm: Norm) -> None:
    if norm not in method.norms:
        served = " and ".join(map(repr, method.norms))
        raise BoundError(f"the method {method.name!r} serves balls of the norm {served}; found {norm!r}")
