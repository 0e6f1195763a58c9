"""What has been recorded so far, as values for each sample."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ratlp.evaluation.records import Record, Value


@dataclass(frozen=True)
class Progress:
    """How far the work has come.

    Attributes:
        finished: Samples of which all tasks are done.
        begun: These and the samples of the batch at work.
        n: Samples in all.
        part: Of the batch at work, the share of its tasks that are done.
        robust: Of the samples begun, those classified rightly for which no task has had a value other than 0 so far;
            None where values are no verdicts.
    """

    finished: int
    begun: int
    n: int
    part: float
    robust: int | None


class Tally:
    """Collects records; of a batch that was begun anew at half its size, the later ones.

    Args:
        tasks: The names of all tasks, in their order.
        correct: For each sample whether it is classified rightly.
        verdicts: Whether a value is 0 where a sample withstands.
        record: Told of each record that is new.
        progress: Told after each record.

    Example:
        >>> tally = Tally(["pgd"], [True, True])
        >>> tally(Record("c0ffee", "pgd", 0, 2, 2, (0, 1), forwards=40, gradients=38, seconds=0.1), True)
        >>> tally.values("pgd"), tally.progress().robust
        ((0, 1), 1)
    """

    def __init__(
        self,
        tasks: Sequence[str],
        correct: Sequence[bool],
        *,
        verdicts: bool = True,
        record: Callable[[Record], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._tasks = tuple(tasks)
        self._correct = tuple(correct)
        self._verdicts = verdicts
        self._record = record
        self._progress = progress
        self._batch: dict[str, Record] = {}
        self._finished: list[dict[str, Record]] = []
        self._robust = 0

    def __call__(self, record: Record, new: bool) -> None:
        """Take a record."""
        if any(other.stop != record.stop for other in self._batch.values()):
            self._batch = {}
        self._batch[record.task] = record
        if len(self._batch) == len(self._tasks):
            self._robust += self._standing()
            self._finished.append(self._batch)
            self._batch = {}
        if new and self._record is not None:
            self._record(record)
        if self._progress is not None:
            self._progress(self.progress())

    def progress(self) -> Progress:
        """How far the work has come."""
        finished = next(iter(self._finished[-1].values())).stop if self._finished else 0
        begun = next(iter(self._batch.values())).stop if self._batch else finished
        part = len(self._batch) / len(self._tasks)
        robust = self._robust + self._standing() if self._verdicts else None
        return Progress(finished, begun, len(self._correct), part, robust)

    def records(self, task: str) -> list[Record]:
        """Those of one task, in the order of the samples."""
        return [batch[task] for batch in self._finished]

    def values(self, task: str) -> tuple[Value, ...]:
        """Those of one task, for each sample."""
        return tuple(value for record in self.records(task) for value in record.values)

    def _standing(self) -> int:
        """Of the batch at work, the samples that count as robust so far."""
        records = list(self._batch.values())
        values = zip(*(record.values for record in records), strict=True)
        correct = self._correct[records[0].start : records[0].stop] if records else ()
        return sum(right and not any(value != 0 for value in own) for right, own in zip(correct, values, strict=True))
