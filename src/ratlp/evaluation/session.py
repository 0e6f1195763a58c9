"""From samples and tasks to their values: what all evaluations have in common."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import torch
from torch import Tensor, nn

from ratlp.attacks import seeded
from ratlp.classification import check_batch_size, data_taken
from ratlp.errors import InputError
from ratlp.evaluation.batches import find_batch_size
from ratlp.evaluation.clean import Clean, clean_pass
from ratlp.evaluation.inputs import near
from ratlp.evaluation.records import Done, Record, digest
from ratlp.evaluation.spaces import Spaces
from ratlp.evaluation.tally import Progress, Tally
from ratlp.evaluation.work import Subject, Task, Work
from ratlp.latent.on_loan import on_loan
from ratlp.latent.trees import in_type


class Options(TypedDict, total=False):
    """How an evaluation is run; each may be left out.

    Attributes:
        batch_size: Samples at once; found by `find_batch_size` unless given, and halved where memory runs out.
        seed: Of all random draws; 0 unless given.
        dtype: Evaluate the model in this type, such as torch.float64; as it is unless given.
        done: Records of an evaluation that was cut off. What they hold is not run again, and the result is that of
            an evaluation that was not cut off.
        record: Called with a `Record` whenever a batch has been attacked.
        progress: Called likewise, with a `Progress`.
    """

    batch_size: int | None
    seed: int
    dtype: torch.dtype | None
    done: Iterable[Record]
    record: Callable[[Record], None] | None
    progress: Callable[[Progress], None] | None


@dataclass(frozen=True)
class Outcome:
    """What a session gives.

    Attributes:
        clean: The clean pass.
        tally: The records of all tasks.
        batch_size: With which the run was begun.
        run: The digest of the run.
    """

    clean: Clean
    tally: Tally
    batch_size: int
    run: str


@dataclass(frozen=True)
class Session:
    """How tasks are run: the `Options`, and whether they run in a cascade.

    Attributes:
        cascade: Whether a sample for which a task has a value other than 0 is kept from the tasks after it.

    Raises:
        InputError: `batch_size` is out of its range.

    Example:
        >>> Session(batch_size=0)
        Traceback (most recent call last):
        ratlp.errors.InputError: batch_size must be >= 1; found 0
    """

    cascade: bool = False
    batch_size: int | None = None
    seed: int = 0
    dtype: torch.dtype | None = None
    done: Iterable[Record] = ()
    record: Callable[[Record], None] | None = None
    progress: Callable[[Progress], None] | None = None

    def __post_init__(self) -> None:
        check_batch_size(self.batch_size)

    def run(self, model: nn.Module, x: Any, y: Tensor, tasks: Sequence[Task]) -> Outcome:
        """Run the tasks on all samples that are classified rightly; x and y as `check_inputs` wants them.

        Raises:
            InputError: Logits, labels or records break a rule, or the model does not take the inputs.
            LayerError: A layer cannot serve as a latent.
        """
        x = x if self.dtype is None else in_type(x, self.dtype)
        settings = {"tasks": [task.spec for task in tasks], "seed": self.seed, "cascade": self.cascade}
        with on_loan(model, dtype=self.dtype), seeded(self.seed, near(model, x)):
            run = digest(model, (x, y), settings)
            done = Done(self.done, run)
            spaces = Spaces(model)
            with data_taken(x):
                size = self._size(model, x, done)
                clean = clean_pass(spaces, x, y, [task.layer for task in tasks], size=size)
            names, correct = [task.name for task in tasks], clean.correct.tolist()
            verdicts = all(task.verdicts for task in tasks)
            tally = Tally(names, correct, verdicts=verdicts, record=self.record, progress=self.progress)
            work = Work(tasks, run, seed=self.seed, cascade=self.cascade)
            work(Subject(spaces, x, y, clean.correct), batch_size=size, done=done, emit=tally)
        return Outcome(clean, tally, size, run)

    def _size(self, model: nn.Module, x: Any, done: Done) -> int:
        if self.batch_size is not None and done.batch_size not in (None, self.batch_size):
            raise InputError(
                f"records go on with the batch size that they began with, {done.batch_size}; "
                f"found batch_size={self.batch_size}: leave it out"
            )
        return done.batch_size or self.batch_size or find_batch_size(model, x)
