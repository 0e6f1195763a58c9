"""Figures as files."""

from typing import TYPE_CHECKING

from ratlp.report.figures.style import figure_files, settle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(name: str, figure: "Figure") -> dict[str, bytes]:
    """PNG and SVG by file name; to be called inside `look()`."""
    return figure_files({name: settle(figure)})
