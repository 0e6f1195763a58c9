"""Progress bars on a terminal, silence elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ratlp.assessment import Watch
from ratlp.certificates import Progress as Certified
from ratlp.evaluation import Progress as Accuracies


@contextmanager
def terminal_progress(description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on stderr while the block runs.

    Without a total, it only shows that something is going on, and for how long.
    """
    counted = () if total is None else (MofNCompleteColumn(), TimeRemainingColumn())
    with _bars(*counted) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def accuracy_progress() -> Iterator[Watch]:
    """Bars on stderr, one for each stage, with the robust accuracy so far where the stage has one."""
    with _bars(TextColumn("{task.fields[robust]}")) as bar:

        @contextmanager
        def watch(stage: str) -> Iterator[Callable[[Accuracies], None]]:
            task = bar.add_task(stage, total=None, robust="")

            def tell(found: Accuracies) -> None:
                done = found.finished + found.part * (found.begun - found.finished)
                share = None if found.robust is None else 100 * found.robust / found.begun
                robust = "" if share is None else f"robust so far: {share:.1f} % of {found.begun:,} samples"
                bar.update(task, total=found.n, completed=done, robust=robust)

            yield tell
            bar.update(task, total=1, completed=1)

        yield watch


@contextmanager
def method_progress(largest: float) -> Iterator[Callable[[Certified], None]]:
    """Bars on stderr, one for each method, with the accuracy certified at the largest eps so far."""
    certified = TextColumn(f"certified at {largest:g}: {{task.fields[certified]:.1f}} %")
    with _bars(MofNCompleteColumn(), certified) as bar:
        tasks: dict[str, TaskID] = {}

        def tell(found: Certified) -> None:
            if found.method not in tasks:
                tasks[found.method] = bar.add_task(found.method, total=found.total, certified=0.0)
            bar.update(tasks[found.method], completed=found.done, certified=100 * found.certified)

        yield tell


def _bars(*columns: ProgressColumn) -> Progress:
    """Bars with their name, the time and these columns; nothing where stderr is not a terminal."""
    console = Console(stderr=True)
    common = (TextColumn("{task.description}", markup=False), BarColumn(), TimeElapsedColumn())
    return Progress(*common, *columns, console=console, disable=not console.is_terminal)
