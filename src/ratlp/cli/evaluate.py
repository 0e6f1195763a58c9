"""`ratlp evaluate`: how robust a model is, and whether the numbers can be trusted."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ratlp.assessment import Assessment, Journal, assess, views
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import accuracy_progress
from ratlp.cli.request import (
    AttacksOption,
    BatchSizeOption,
    BoundsOption,
    CertifyOption,
    ChecksOption,
    DataOption,
    EpsOption,
    LabelOption,
    LatentEpsOption,
    LayerOption,
    NormOption,
    RelativeOption,
    Request,
    SamplesOption,
    SeedOption,
)
from ratlp.cli.subject import open_subject, short_name
from ratlp.data import Source, load_source
from ratlp.evaluation.results import SCHEMA
from ratlp.experiments.reproduce import describe, versions
from ratlp.report.evaluated import evaluation_files
from ratlp.report.evaluated_grids import headline_grid
from ratlp.report.evaluated_sections import warning_lines
from ratlp.report.grid import Grid

UNFINISHED = "unfinished.jsonl"


def evaluate_command(
    model: Annotated[str, typer.Argument(help="A .safetensors file by ratlp.save, or package.module:factory.")],
    data: DataOption,
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file for a factory's model.")] = None,
    layer: LayerOption = None,
    norm: NormOption = "linf",
    eps: EpsOption = None,
    latent_eps: LatentEpsOption = None,
    relative: RelativeOption = False,
    bounds: BoundsOption = None,
    samples: SamplesOption = 1000,
    batch_size: BatchSizeOption = None,
    attacks: AttacksOption = "quick",
    checks: ChecksOption = True,
    certify: CertifyOption = False,
    seed: SeedOption = 0,
    label: LabelOption = "label",
    out: Annotated[Path | None, typer.Option(help="Folder (default: ratlp-results/evaluate-MODEL).")] = None,
) -> None:
    """Attack a model, and say how robust it is, with what confidence, and whether the numbers can be trusted."""
    request = Request(
        data, layer, norm, eps, latent_eps, relative, bounds, samples, batch_size, attacks, checks, certify, seed, label
    )
    source = load_source(data, label=label)
    plan = request.plan(source)
    subject = open_subject(model, weights, source, seed=seed, samples=samples)
    folder = OutputFolder(out or Path("ratlp-results") / f"evaluate-{short_name(model)}", schema=SCHEMA)
    facts = {
        "command": request.command("evaluate", [model], [weights] if weights else []),
        "model": subject.origin,
        **common_facts(source, seed, plan.settings()),
    }
    identity = {**subject.identity, "settings": plan.settings(), "versions": journal_versions()}
    with Journal(folder.path / UNFINISHED, identity) as journal, accuracy_progress() as watch:
        announce(facts["command"], journal)
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
    return {"data": {**describe(source, seed)}, "settings": settings, "versions": dict(versions())}


def journal_versions() -> dict[str, str]:
    """Of what the numbers depend on."""
    return {name: version for name, version in versions().items() if name in ("ratlp", "torch")}


def announce(command: str, journal: Journal) -> None:
    """Say what runs, and what of it is done already."""
    typer.echo(f"Running {command}")
    if journal.found:
        typer.echo(f"Going on where an earlier run was cut off: {journal.found} pieces of work are done")
    typer.echo("")


def warn(found: Assessment, name: str = "") -> None:
    """On stderr, where a self-check says not to trust the numbers."""
    for line in warning_lines(found):
        typer.secho(f"{name}{line}", err=True, fg=typer.colors.RED, bold=True)


def rich_table(grid: Grid) -> Table:
    """The grid for a terminal."""
    table = Table()
    for column in grid.columns:
        table.add_column(column.title, justify="right" if column.right else "left")
    for row in grid.rows:
        table.add_row(*row)
    return table
