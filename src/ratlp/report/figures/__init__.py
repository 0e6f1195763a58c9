"""The figures of the report, drawn without pyplot; matplotlib comes with `ratlp[cli]`."""

from typing import TYPE_CHECKING

from ratlp.experiments.results import Reproduction
from ratlp.report.figures.ablation import ablation_figure
from ratlp.report.figures.boundary import boundary_figure, margin_band
from ratlp.report.figures.style import figure_png, figure_svg
from ratlp.report.figures.table1 import table_figure
from ratlp.report.figures.theorem import theorem_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "report_figures",
    "boundary_figure",
    "table_figure",
    "ablation_figure",
    "theorem_figure",
    "margin_band",
    "figure_png",
    "figure_svg",
]


def report_figures(reproduction: Reproduction) -> dict[str, "Figure"]:
    """Every figure that the results allow, by the names that `report_page` knows.

    Returns:
        "table1" and "theorem"; "boundary" and "ablation" where the results hold them.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figures = {"table1": table_figure(reproduction.table1)}
    if reproduction.boundaries:
        figures["boundary"] = boundary_figure(reproduction.boundaries)
    figures["theorem"] = theorem_figure(reproduction.theorem)
    if reproduction.ablation:
        figures["ablation"] = ablation_figure(reproduction.ablation)
    return figures
