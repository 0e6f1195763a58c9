"""The order of work: batch after batch, in each of them task after task, what is finished left out."""

import hashlib
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from ratlp.evaluation.batches import halving
from ratlp.evaluation.inputs import near, rows_of
from ratlp.evaluation.passes import Passes
from ratlp.evaluation.records import Done, Record, Value
from ratlp.evaluation.spaces import Space, Spaces

Emit = Callable[[Record, bool], None]
"""Called with each record in its order, and whether it is new."""


class Task(ABC):
    """What is found out of each sample, such as whether an attack breaks it. A new one is one subclass.

    Attributes:
        name: Names it in records; unique in a run.
        layer: Where it moves samples: "input" or a layer's name.
        spec: All that its values depend on, in words.
        verdicts: Whether values are verdicts: 0 where a sample withstands, else not. Lengths are none.
    """

    verdicts: ClassVar[bool] = True
    name: str
    layer: str
    spec: str

    @abstractmethod
    def __call__(self, space: Space, y: Tensor, *, seed: int) -> Sequence[Value]:
        """A value for each sample of `space`.

        Args:
            space: Samples that are all classified rightly.
            y: Their labels.
            seed: For whatever is drawn.
        """


@dataclass(frozen=True)
class Subject:
    """A model and the samples that tasks are run on.

    Attributes:
        spaces: Of the model, which is on loan.
        x: Inputs.
        y: Labels, `[n]`.
        correct: `[n]`, on the CPU: the samples classified rightly, beside which the tasks see none.
    """

    spaces: Spaces
    x: Any
    y: Tensor
    correct: Tensor

    def batch(self, start: int, stop: int) -> "Subject":
        """Some of them, on the model's device."""
        part = slice(start, stop)
        x, y = rows_of((self.x, self.y), part, near(self.spaces.model, self.x).device)
        return Subject(self.spaces, x, y, self.correct[part])


@dataclass(frozen=True)
class Work:
    """Tasks, and how they are run.

    Attributes:
        tasks: In their order.
        run: The digest that marks the records.
        seed: Each piece of work has one of its own, derived from this, its task and its first sample: nothing
            depends on what ran before.
        cascade: Whether a sample for which a task has a value other than 0 is kept from the tasks after it.
    """

    tasks: Sequence[Task]
    run: str
    seed: int = 0
    cascade: bool = False

    def __call__(self, subject: Subject, *, batch_size: int, done: Done, emit: Emit) -> None:
        """Run what is not done, batch after batch; a batch that does not fit in memory is begun anew at half size.

        Args:
            subject: The samples, all of them.
            batch_size: Samples at once.
            done: What has been finished before.
            emit: Told of every record.
        """
        start, size = 0, batch_size
        while start < len(subject.y):
            ended = done.stop(start)
            size = size if ended is None else min(size, ended - start)

            def work(size: int, start: int = start) -> None:
                stop = min(start + size, len(subject.y))
                batch = _Batch(subject.batch(start, stop))
                for task in self.tasks:
                    old = done.get(start, stop, task.name)
                    values, passes, seconds = (
                        batch.run(task, seed_of(self.seed, task.name, start)) if old is None else _of(old)
                    )
                    counts = (passes.forwards, passes.gradients, seconds)
                    record = Record(self.run, task.name, start, stop, batch_size, tuple(values), *counts)
                    emit(record, old is None)
                    if self.cascade:
                        batch.drop(values)

            _, size = halving(work, size)
            start += size


def seed_of(seed: int, task: str, start: int) -> int:
    """The seed of one piece of work, from that of the run, the task's name and the batch's first sample."""
    drawn = hashlib.sha256(f"{seed}/{task}/{start}".encode()).digest()
    return int.from_bytes(drawn[:4], "big") >> 1


class _Batch:
    """One batch, opened at each layer once as long as the tasks see the same subject."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._left = subject.correct.clone()
        self._spaces: dict[str, Space] = {}

    def run(self, task: Task, seed: int) -> tuple[list[Value], Passes, float]:
        """The task's values on the samples that are left; 0 for the others."""
        begun = time.perf_counter()
        values: list[Value] = [0] * len(self._left)
        left = self._left.nonzero()[:, 0]
        passes = Passes()
        if len(left):
            rows = left.to(self._subject.y.device)
            if task.layer not in self._spaces:
                self._spaces[task.layer] = self._subject.spaces.open(task.layer, rows_of(self._subject.x, rows))
            space = self._spaces[task.layer]
            space.passes = passes
            for row, value in zip(left.tolist(), task(space, self._subject.y[rows], seed=seed), strict=True):
                values[row] = value
        return values, passes, time.perf_counter() - begun

    def drop(self, values: Sequence[Value]) -> None:
        """Keep from further tasks the samples with a value other than 0."""
        broken = torch.tensor([value != 0 for value in values])
        if bool((broken & self._left).any()):
            self._left &= ~broken
            self._spaces = {}


def _of(record: Record) -> tuple[Sequence[Value], Passes, float]:
    passes = Passes()
    passes.forwards, passes.gradients = record.forwards, record.gradients
    return record.values, passes, record.seconds
