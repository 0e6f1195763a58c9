"""How an experiment tells what it is doing, without knowing who listens."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Advance = Callable[[], None]
"""Called once for each unit of work done."""

Progress = Callable[[str, int], AbstractContextManager[Advance]]
"""`with progress(description, total) as advance`: announces `total` units of work."""


@contextmanager
def silent(description: str, total: int) -> Iterator[Advance]:
    """The progress that nobody listens to.

    Example:
        >>> with silent("waiting", 2) as advance:
        ...     advance()
    """
    yield lambda: None
