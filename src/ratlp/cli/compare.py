"""`ratlp compare`: which of several models is more robust, on the same samples under the same attacks."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ratlp.assessment import assess, differences
from ratlp.cli.output import OutputFolder
from ratlp.cli.request import Request, with_request
from ratlp.cli.subject import Subject, open_subject, short_name
from ratlp.cli.terminal import rich_table, warn
from ratlp.cli.working import common_facts, working
from ratlp.data import Source, load_source
from ratlp.errors import InputError
from ratlp.report.compared import SCHEMA, accuracies_grid, comparison_files, differences_grid


@with_request
def compare_command(
    models: Annotated[list[str], typer.Argument(help="Two or more, each as in ratlp evaluate.")],
    *,
    weights: Annotated[
        list[Path] | None, typer.Option(help="A .safetensors file for a factory's model; one for each, in order.")
    ] = None,
    request: Request,
    out: Annotated[Path | None, typer.Option(help="Folder (default: ratlp-results/compare-MODEL-MODEL).")] = None,
) -> None:
    """Evaluate several models on the same samples, under the same attacks, and compare them sample by sample."""
    source = load_source(request.data, label=request.label)
    plan = request.plan(source)
    subjects = _subjects(models, weights or [], source, seed=request.seed, samples=request.samples)
    for subject in subjects.values():
        subject.check(plan)
    default = Path("ratlp-results") / "-".join(["compare", *map(short_name, models)])
    folder = OutputFolder(out or default, schema=SCHEMA)
    facts = {
        "command": request.command("compare", models, weights or []),
        "models": {name: subject.origin for name, subject in subjects.items()},
        **common_facts(source, request.seed, plan.settings()),
    }
    identity = {name: subject.identity for name, subject in subjects.items()}
    with working(folder, identity, facts) as (journal, watch):
        found = {
            name: assess(one.model, one.x, one.y, plan, journal, watch=watch, prefix=f"{name}: ")
            for name, one in subjects.items()
        }
        differing = differences(found)
        with watch("figures and report"):
            files = comparison_files(found, differing, facts)
        folder.publish(files)
        journal.remove()
    console = Console()
    console.print(rich_table(accuracies_grid(found)))
    console.print(rich_table(differences_grid(differing)))
    for name, one in found.items():
        warn(one, f"{name}: ")
    typer.echo(f"\nWritten to {folder.path}: open {folder.path / 'report.html'}")


def _subjects(
    models: Sequence[str], weights: Sequence[Path], source: Source, *, seed: int, samples: int
) -> dict[str, Subject]:
    """The models by short names, or as they were given where two short names are the same."""
    # One file has many paths
    different = {str(Path(model).resolve()) if model.endswith(".safetensors") else model for model in models}
    if len(different) < 2 or len(different) < len(models):
        raise InputError(f"a comparison needs two models or more, each once; found {', '.join(models)}")
    factories = [model for model in models if not model.endswith(".safetensors")]
    if len(weights) not in (0, len(factories)):
        raise InputError(
            f"weights must be given for each factory, in order, or for none; found {len(weights)} for {len(factories)}"
        )
    files = dict(zip(factories, weights, strict=False))
    short = Counter(map(short_name, models))
    return {
        short_name(model) if short[short_name(model)] == 1 else model: open_subject(
            model, files.get(model), source, seed=seed, samples=samples
        )
        for model in models
    }
