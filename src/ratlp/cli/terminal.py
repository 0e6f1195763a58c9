"""What is found, as the terminal shows it."""

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from ratlp.assessment import Assessment
from ratlp.report.evaluated_sections import warning_lines
from ratlp.report.grid import Grid


def warn(found: Assessment, name: str = "") -> None:
    """On stderr, where a self-check says not to trust the numbers."""
    for line in warning_lines(found):
        typer.secho(f"{name}{line}", err=True, fg=typer.colors.RED, bold=True)


def rich_table(grid: Grid) -> Table:
    """The grid for a terminal; its texts are shown as they are, brackets too.

    Example:
        >>> from ratlp.report.grid import Column
        >>> table = rich_table(Grid((Column("net[lr=0.1]"),), (("50.0 %",),)))
        >>> [str(cell) for cell in table.columns[0].cells]
        ['50.0 %']
    """
    table = Table(box=SIMPLE_HEAD)
    for column in grid.columns:
        # Folded where the terminal is narrow: of a number that is cut short nobody knows what it was
        table.add_column(escape(column.title), justify="right" if column.right else "left", overflow="fold")
    for row in grid.rows:
        table.add_row(*map(escape, row))
    return table
