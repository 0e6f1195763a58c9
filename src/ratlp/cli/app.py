"""The subcommands, gathered."""

from typing import Annotated

import typer

from ratlp import __version__
from ratlp.cli.certify import certify_command
from ratlp.cli.compare import compare_command
from ratlp.cli.evaluate import evaluate_command
from ratlp.cli.reproduce import reproduce_command

app = typer.Typer(
    help="Robust training through latent perturbations.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"ratlp {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Robust training through latent perturbations."""


app.command("reproduce")(reproduce_command)
app.command("certify")(certify_command)
app.command("evaluate")(evaluate_command)
app.command("compare")(compare_command)
