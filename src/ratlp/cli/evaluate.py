"""`ratlp evaluate`: how robust a model is, and whether the numbers can be trusted."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from ratlp.assessment import assess, views
from ratlp.cli.options import ModelArgument, WeightsOption
from ratlp.cli.output import OutputFolder
from ratlp.cli.request import Request, with_request
from ratlp.cli.subject import open_subject, short_name
from ratlp.cli.terminal import rich_table, warn
from ratlp.cli.working import common_facts, working
from ratlp.data import load_source
from ratlp.evaluation.results import SCHEMA
from ratlp.report.evaluated import evaluation_files
from ratlp.report.evaluated_grids import headline_grid


@with_request
def evaluate_command(
    model: ModelArgument,
    *,
    weights: WeightsOption = None,
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
