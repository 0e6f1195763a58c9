"""The results as files, by name."""

from ratlp.experiments.results import Reproduction
from ratlp.report.figures import report_figures
from ratlp.report.figures.style import figure_files
from ratlp.report.json_file import with_results
from ratlp.report.page import report_page
from ratlp.report.table import (
    ablation_markdown,
    search_markdown,
    table1_markdown,
    theorem_markdown,
)


def output_files(reproduction: Reproduction) -> dict[str, bytes]:
    """All that a reproduction leaves behind, by file name.

    Returns:
        `results.json`, `report.html`, each table as Markdown (`table1.md`, `theorem.md`; `ablation.md`
        and `search.md` where they were run) and each figure of `report_figures` as PNG and SVG.
        `results.json` lists them all as `files`; only its timings differ between runs.

    Raises:
        MissingExtraError: matplotlib or jinja2 is not installed.

    Example:
        >>> from ratlp.data import Digits
        >>> from ratlp.experiments import Setting, reproduce
        >>> found = reproduce(Digits(), Setting(epochs=1), range(2), with_ablation=False)
        >>> sorted(name for name in output_files(found) if not name.startswith("table1"))
        ['report.html', 'results.json', 'theorem.md', 'theorem.png', 'theorem.svg']
    """
    figures = report_figures(reproduction)
    texts = {
        "report.html": report_page(reproduction, figures),
        "table1.md": table1_markdown(reproduction.table1),
        "theorem.md": theorem_markdown(reproduction.theorem),
    }
    if reproduction.ablation:
        texts["ablation.md"] = ablation_markdown(reproduction.ablation)
    if reproduction.search is not None:
        texts["search.md"] = search_markdown(reproduction.search)
    contents = {name: f"{text.rstrip()}\n".encode() for name, text in texts.items()}
    return with_results({**contents, **figure_files(figures)}, reproduction.to_dict())
