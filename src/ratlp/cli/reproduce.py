"""`ratlp reproduce`: the paper's table, figure, ablations and theorem."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from ratlp.cli.options import DataOption, LabelOption
from ratlp.cli.output import OutputFolder
from ratlp.cli.progress import terminal_progress
from ratlp.data import Source, load_source
from ratlp.experiments import LARGE, SCHEMA, Setting, check_searchable, reproduce
from ratlp.report import gain_sentences, output_files, table1_markdown, verdict_sentences


def reproduce_command(
    seeds: Annotated[
        int | None,
        typer.Option(min=2, max=100_000, help="Nets per method (default: 100 on moons, else 20, or 5 on large data)."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results (default: ratlp-results/NAME, or file-NAME for a file)."),
    ] = None,
    data: DataOption = "moons",
    label: LabelOption = "label",
    epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Passes over the training part (default: 50, or 10 on large data)."),
    ] = None,
    ablation: Annotated[
        bool | None,
        typer.Option("--ablation/--no-ablation", help="Vary eps_z, m and lambda (default: on moons)."),
    ] = None,
    search: Annotated[
        bool,
        typer.Option("--search", help="Search over what the paper leaves open (moons only; some minutes)."),
    ] = False,
) -> None:
    """Run the paper's experiment, and check its table, ablations and theorem with statistics."""
    source = load_source(data, label=label)
    if search:
        check_searchable(source)  # before a folder is made
    folder = OutputFolder(out or _default_folder(source), schema=SCHEMA)
    n_train = len(source.draw(0).x_train)
    setting = Setting.for_data(source.features, n_train)
    setting = setting if epochs is None else replace(setting, epochs=epochs)
    is_moons = source.kind == "moons"
    small = n_train < LARGE
    count = seeds or (100 if is_moons else 20 if small else 5)
    if small:
        torch.set_num_threads(1)  # more gain little on tiny nets, and lose much on a machine that is busy
    ablate = is_moons if ablation is None else ablation
    # Without --out: the same command into another folder writes the same bytes.
    words = ["ratlp", "reproduce", "--data", data, *(["--label", label] if source.kind == "file" else [])]
    words += ["--seeds", str(count), "--epochs", str(setting.epochs)]
    words += ["--ablation" if ablate else "--no-ablation", *(["--search"] if search else [])]
    command = shlex.join(words)
    typer.echo(f"Running {command}\n")
    found = reproduce(
        source,
        setting,
        range(count),
        with_ablation=ablate,
        with_search=search,
        progress=terminal_progress,
    )
    found = replace(found, command=command)
    with terminal_progress("figures and report"):
        files = output_files(found)
    folder.publish(files)
    typer.echo(table1_markdown(found.table1))
    for sentence in [*verdict_sentences(found.table1), *gain_sentences(found.gains)]:
        typer.echo(sentence)
    typer.echo(f"\nWritten to {folder.path}: open {folder.path / 'report.html'}")


def _default_folder(source: Source) -> Path:
    """Apart from the built-in data's folder for a user's file, which may have the same name."""
    return Path("ratlp-results") / (f"file-{source.name}" if source.kind == "file" else source.name)
