"""Figures as files."""

from typing import TYPE_CHECKING

from ratlp.report.figures.style import figure_png, figure_svg, settle

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def pictures(name: str, figure: "Figure") -> dict[str, bytes]:
    """PNG and SVG by file name; to be called inside `look()`."""
    settle(figure)
    return {f"{name}.png": figure_png(figure), f"{name}.svg": figure_svg(figure)}
