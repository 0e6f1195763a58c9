"""`ratlp evaluate`: how robust a model is, and whether the numbers can be trusted."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ratlp.assessment import Assessment, Journal, Watch, assess, views
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import accuracy_progress
from ratlp.cli.request import Request, with_request
from ratlp.cli.subject import open_subject, short_name
from ratlp.data import Source, load_source
from ratlp.evaluation.results import SCHEMA
from ratlp.report.evaluated import evaluation_files
from ratlp.report.evaluated_grids import headline_grid
from ratlp.report.evaluated_sections import warning_lines
from ratlp.report.grid import Grid
from ratlp.versions import versions

UNFINISHED = "unfinished.jsonl"


@with_request
def evaluate_command(
    model: Annotated[str, typer.Argument(help="A .safetensors file by ratlp.save, or package.module:factory.")],
    *,
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file for a factory's model.")] = None,
    request: Request,
    out: Annotated[Path | None, typer.Option(help="Folder (default: ratlp-results/evaluate-MODEL).")] = None,
) -> None:
    """Attack a model, and say how robust it is, with what confidence, and whether the numbers can be trusted."""
    source = load_source(request.data, label=request.label)
    plan = request.plan(source)
    subject = open_subject(model, weights, source, seed=request.seed, samples=request.samples)
    subject.check(plan)
    folder = OutputFolder(out or Path("ratlp-results") / f"evaluate-{short_name(model)}", schema=SCHEMA)
    facts = {
        "command": request.command("evaluate", [model], [weights] if weights else []),
        "model": subject.origin,
        **common_facts(source, request.seed, plan.settings()),
    }
    with working(folder, subject.identity, facts) as (journal, watch):
        found = assess(subject.model, subject.x, subject.y, plan, journal, watch=watch)
        with watch("figures and report"):
            seen = views(subject.model, subject.x, subject.y, plan, source)
            files = evaluation_files(found, seen, facts)
        folder.publish(files)
        journal.remove()
    Console().print(rich_table(headline_grid(found).only("Attack", "At", "Robust accuracy", "95 % CI")))
    warn(found)
    typer.echo(f"\nWritten to {folder.path}: open {folder.path / 'report.html'}")


def common_facts(source: Source, seed: int, settings: dict[str, Any]) -> dict[str, Any]:
    """What `results.json` says of data, settings and versions."""
    return {"data": source.described(seed), "settings": settings, "versions": versions()}


@contextmanager
def working(
    folder: OutputFolder, identity: Mapping[str, Any], facts: Mapping[str, Any]
) -> Iterator[tuple[Journal, Watch]]:
    """Work that goes on where an earlier run was cut off: says so, and shows how far it is."""
    own = {name: version for name, version in facts["versions"].items() if name in ("ratlp", "torch")}
    whole = {**identity, "settings": facts["settings"], "versions": own}
    with Journal(folder.path / UNFINISHED, whole) as journal, accuracy_progress() as watch:
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


def warn(found: Assessment, name: str = "") -> None:
    """On stderr, where a self-check says not to trust the numbers."""
    for line in warning_lines(found):
        typer.secho(f"{name}{line}", err=True, fg=typer.colors.RED, bold=True)


def rich_table(grid: Grid) -> Table:
    """The grid for a terminal."""
    table = Table(box=SIMPLE_HEAD)
    for column in grid.columns:
        table.add_column(escape(column.title), justify="right" if column.right else "left")
    for row in grid.rows:
        table.add_row(*map(escape, row))
    return table
