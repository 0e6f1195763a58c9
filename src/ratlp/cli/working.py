"""Work that goes on where an earlier run was cut off, and what its results say of it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from ratlp.assessment import Journal, Watch
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import accuracy_progress
from ratlp.data import Source
from ratlp.versions import versions

_UNFINISHED = "unfinished.jsonl"


def common_facts(source: Source, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """What `results.json` says of data, settings and versions.

    Example:
        >>> from ratlp.data import Moons
        >>> found = common_facts(Moons(n=50), 0, {"attacks": "quick"})
        >>> found["data"]["name"], found["settings"], "torch" in found["versions"]
        ('moons', {'attacks': 'quick'}, True)
    """
    return {"data": source.described(seed), "settings": settings, "versions": versions()}


@contextmanager
def working(
    folder: OutputFolder, identity: Mapping[str, Any], facts: Mapping[str, Any]
) -> Iterator[tuple[Journal, Watch]]:
    """The journal of a command's work and the bars beside it; says what runs, and where it goes on."""
    own = {name: version for name, version in facts["versions"].items() if name in ("ratlp", "torch")}
    whole = {**identity, "settings": facts["settings"], "versions": own}
    with Journal(folder.path / _UNFINISHED, whole) as journal, accuracy_progress() as watch:
        typer.echo(f"Running {facts['command']}")
        if journal.found:
            typer.echo(f"Going on where an earlier run was cut off: {journal.found} pieces of work are done")
        typer.echo("")
        try:
            yield journal, watch
        except KeyboardInterrupt:
            if journal.found:  # else the journal is removed
                kept = f"ratlp: what is finished is kept in {journal.path}: the same command goes on there"
                typer.echo(kept, err=True)
            raise
