"""Progress bars on a terminal, silence elsewhere."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from ratlp.evaluation import Progress as Accuracies


@contextmanager
def terminal_progress(description: str, total: int | None = None) -> Iterator[Callable[[], None]]:
    """A bar on stderr while the block runs; nothing where stderr is not a terminal.

    Without a total, it only shows that something is going on, and for how long.
    """
    console = Console(stderr=True)
    counted = () if total is None else (MofNCompleteColumn(), TimeRemainingColumn())
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), *counted)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(description, total=total)
        yield lambda: bar.advance(task)


@contextmanager
def accuracy_progress() -> Iterator[Callable[[str], AbstractContextManager[Callable[[Accuracies], None]]]]:
    """Bars on stderr, one for each stage, with the robust accuracy so far; nothing where stderr is not a terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TextColumn("{task.fields[robust]}"))
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:

        @contextmanager
        def watch(stage: str) -> Iterator[Callable[[Accuracies], None]]:
            task = bar.add_task(stage, total=None, robust="")

            def tell(found: Accuracies) -> None:
                done = found.finished + found.part * (found.begun - found.finished)
                robust = f"robust so far: {100 * found.robust / found.begun:.1f} % of {found.begun:,} samples"
                # Of curves and distances the figure is that of their largest radius, and means little.
                bar.update(task, total=found.n, completed=done, robust=robust if stage.endswith("attacks") else "")

            yield tell
            bar.update(task, total=1, completed=1)

        yield watch
