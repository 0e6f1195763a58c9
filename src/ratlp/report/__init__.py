"""From results to tables, figures and one HTML page.

Figures need matplotlib and the page jinja2; both come with `ratlp[cli]`.

    >>> from ratlp.experiments.results import TableRow
    >>> from ratlp.report import verdict_sentences
    >>> verdict_sentences([TableRow("ratlp", "clean", 96.5, 1.4, (96.2, 96.8), 97.0, "within", 100)])
    []
"""

from ratlp.report.figures import (
    ablation_figure,
    boundary_figure,
    figure_png,
    figure_svg,
    margin_band,
    report_figures,
    table_figure,
    theorem_figure,
)
from ratlp.report.output import output_files
from ratlp.report.page import report_page
from ratlp.report.table import (
    ablation_markdown,
    search_markdown,
    table1_markdown,
    theorem_markdown,
)
from ratlp.report.words import gain_sentences, verdict_sentences

__all__ = [
    "output_files",
    "report_page",
    "report_figures",
    "boundary_figure",
    "table_figure",
    "ablation_figure",
    "theorem_figure",
    "margin_band",
    "figure_png",
    "figure_svg",
    "table1_markdown",
    "ablation_markdown",
    "theorem_markdown",
    "search_markdown",
    "verdict_sentences",
    "gain_sentences",
]
