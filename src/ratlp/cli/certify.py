"""`ratlp certify`: which samples of a data set no perturbation can turn, and how far from each."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from ratlp.attacks import PGD
from ratlp.certificates import METHODS, Certification, Effort, certify
from ratlp.certificates.certification import SCHEMA
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import method_progress
from ratlp.cli.request import numbers
from ratlp.cli.subject import beside, short_name
from ratlp.data import load_source
from ratlp.models import load_model
from ratlp.perturbations import Norm
from ratlp.report.accuracies import percent_with_interval
from ratlp.report.certified import certification_files
from ratlp.versions import versions

_NORMS = " or ".join(get_args(Norm))


def certify_command(
    model: Annotated[str, typer.Argument(help="A .safetensors file by ratlp.save, or package.module:factory.")],
    data: Annotated[
        str, typer.Option(help="moons, digits, a folder of IDX files, or a .npz, .csv or .parquet file; its test part.")
    ],
    weights: Annotated[Path | None, typer.Option(help="A .safetensors file for a factory's model.")] = None,
    layer: Annotated[str, typer.Option(help="Perturb the output of this layer, such as features.3.")] = "input",
    eps: Annotated[list[str] | None, typer.Option(help="Radii, such as 0.05,0.1 (default: 0.1).")] = None,
    norm: Annotated[str, typer.Option(help=f"{_NORMS}.")] = "linf",
    method: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(METHODS)} (default: all).")] = None,
    attack: Annotated[int | None, typer.Option(min=1, help="Also run PGD with so many steps.")] = None,
    samples: Annotated[int | None, typer.Option(min=1, help="Only the first so many of the test part.")] = None,
    label: Annotated[str, typer.Option(help="Label column of a .csv or .parquet file.")] = "label",
    seed: Annotated[int, typer.Option(min=0, help="Of the split, the one that the model was trained on.")] = 0,
    tolerance: Annotated[float, typer.Option(help="Of radii, as a share; inf tries the given eps alone.")] = 0.01,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples at once.")] = 256,
    out: Annotated[Path | None, typer.Option(help="Folder (default: ratlp-results/certify-MODEL).")] = None,
) -> None:
    """Certify a model: the share of samples that no perturbation up to eps can turn, and a radius for each."""
    radii, methods = list(numbers(eps or ["0.1"], "eps")), _names(method)
    source = load_source(data, label=label)
    split = source.draw(seed)
    loaded = load_model(model, weights=weights)
    x, y = beside(loaded.model, split.x_test[:samples], split.y_test[:samples])
    folder = OutputFolder(out or Path("ratlp-results") / f"certify-{short_name(model)}", schema=SCHEMA)
    given: dict[str, Any] = {"weights": weights, "layer": layer, "eps": ",".join(map(repr, radii)), "norm": norm}
    given |= {"method": methods and ",".join(methods), "attack": attack, "samples": samples, "label": label}
    given |= {"seed": seed, "tolerance": tolerance, "batch-size": batch_size}
    words = [f"--{name}={value}" for name, value in given.items() if value is not None]
    command = shlex.join(["ratlp", "certify", model, f"--data={data}", *words])
    typer.echo(f"Running {command}\n")
    with method_progress(max(radii)) as progress:
        found = certify(
            loaded.model,
            x,
            y,
            eps=radii,
            layer=layer,
            norm=cast(Norm, norm),  # what it is not, certify refuses
            bounds=source.bounds,
            methods=methods,
            attack=None if attack is None else PGD(steps=attack),
            effort=Effort(tolerance=tolerance, batch_size=batch_size),
            progress=progress,
        )
    facts = {"command": command, "model": loaded.origin, "data": {**source.described(seed), "seed": seed}}
    folder.publish(certification_files(found, facts | {"versions": versions()}))
    console = Console()
    console.print(_accuracies(found), _methods(found))
    typer.echo(f"\nWritten to {folder.path}: open {folder.path / 'certified.png'}")


def _names(texts: Sequence[str] | None) -> list[str] | None:
    """Method names, with commas between them; None for the default."""
    return [name.strip() for text in texts for name in text.split(",")] if texts else None


def _accuracies(found: Certification) -> Table:
    table = Table(title=f"{found.n:,} samples, clean accuracy {percent_with_interval(found.clean)}")
    table.add_column(f"eps ({found.norm})", justify="right")
    table.add_column("certified", justify="right")
    if found.attack is not None:
        table.add_column("right under attack", justify="right")
    for point in found.curve:
        cells = [f"{point.eps:g}", percent_with_interval(point.certified)]
        if point.robust is not None:
            cells.append(percent_with_interval(point.robust))
        table.add_row(*cells)
    return table


def _methods(found: Certification) -> Table:
    table = Table(title="Methods, the cheapest first")
    for name in ("method", "samples", "seconds", *(f"certified at {eps:g}" for eps in found.eps)):
        table.add_column(name, justify="left" if name == "method" else "right")
    for run in found.methods:
        if run.refused is None:
            counts = [f"{point.by_method[run.name]:,}" for point in found.curve]
            table.add_row(run.name, f"{run.samples:,}", f"{run.seconds:.1f}", *counts)
    table.caption = "\n".join(f"{run.name}: refused, {run.refused}" for run in found.methods if run.refused) or None
    return table
