"""`ratlp certify`: which samples of a data set no perturbation can turn, and how far from each."""

import shlex
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console

from ratlp.attacks import PGD
from ratlp.certificates import METHODS, Certification, Effort, certify
from ratlp.certificates.certification import SCHEMA
from ratlp.cli.options import (
    DEFAULT_EPS,
    BoundsOption,
    DataOption,
    LabelOption,
    ModelArgument,
    NormOption,
    WeightsOption,
    bounds_of,
    names,
    numbers,
    spelled_out,
)
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import method_progress
from ratlp.cli.subject import open_subject, short_name
from ratlp.cli.terminal import rich_table
from ratlp.cli.working import common_facts
from ratlp.data import load_source
from ratlp.latent.layers import INPUT
from ratlp.perturbations import Norm
from ratlp.report.accuracies import percent_with_interval
from ratlp.report.certified import certification_files
from ratlp.report.certified_grids import certified_grid, methods_grid
from ratlp.report.json_file import RESULTS

_EPS = f"Radii, such as 0.05,0.1 (default: {','.join(DEFAULT_EPS)})."


def certify_command(
    model: ModelArgument,
    data: DataOption,
    weights: WeightsOption = None,
    layer: Annotated[str, typer.Option(help="Perturb the output of this layer, such as features.3.")] = INPUT,
    eps: Annotated[list[str] | None, typer.Option(help=_EPS)] = None,
    norm: NormOption = "linf",
    bounds: BoundsOption = None,
    method: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(METHODS)} (default: all).")] = None,
    attack: Annotated[int | None, typer.Option(min=1, help="Also run PGD with so many steps.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first so many of the test part.")] = None,
    label: LabelOption = "label",
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the one that the model was trained on.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Of radii, as a share; inf tries the given eps alone.")] = 0.01,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at once.")] = 256,
    out: Annotated[Path | None, typer.Option(help="Folder (default: ratlp-results/certify-MODEL).")] = None,
) -> None:
    """Certify a model: the share of samples that no perturbation up to eps can turn, and a radius for each."""
    radii, methods = numbers(eps or DEFAULT_EPS, "eps"), names(method) if method else None
    source = load_source(data, label=label)
    within = bounds_of(bounds, source)
    subject = open_subject(model, weights, source, seed=seed, samples=samples)
    folder = OutputFolder(out or Path("ratlp-results") / f"certify-{short_name(model)}", schema=SCHEMA)
    given: dict[str, Any] = {"weights": weights, "layer": layer, "eps": ",".join(map(repr, radii)), "norm": norm}
    given |= {"bounds": bounds, "method": methods and ",".join(methods), "attack": attack, "samples": samples}
    given |= {"label": label, "seed": seed, "tolerance": tolerance, "batch-size": batch_size}
    command = shlex.join(["ratlp", "certify", model, f"--data={data}", *spelled_out(given)])
    typer.echo(f"Running {command}\n")
    with method_progress(max(radii)) as progress:
        found = certify(
            subject.model,
            subject.x,
            subject.y,
            eps=radii,
            layer=layer,
            norm=cast(Norm, norm),  # what it is not, certify refuses
            bounds=within,
            methods=methods,
            attack=None if attack is None else PGD(steps=attack),
            effort=Effort(tolerance=tolerance, batch_size=batch_size),
            progress=progress,
        )
    settings = {"methods": methods and list(methods), "seed": seed, "batch_size": batch_size}
    facts = {"command": command, "model": subject.origin, **common_facts(source, seed, settings)}
    files = certification_files(found, facts)
    folder.publish(files)
    _show(found)
    shown = next(name for name in ("certified.png", RESULTS) if name in files)
    typer.echo(f"\nWritten to {folder.path}: open {folder.path / shown}")


def _show(found: Certification) -> None:
    console = Console()
    typer.echo(f"{found.n:,} samples, clean accuracy {percent_with_interval(found.clean)}")
    console.print(rich_table(certified_grid(found)))
    typer.echo("Methods, the cheapest first")
    console.print(rich_table(methods_grid(found)))
    for run in found.methods:
        if run.refused is not None:
            typer.echo(f"{run.name}: refused, {run.refused}")
