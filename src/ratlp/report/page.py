"""The whole reproduction as one HTML page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ratlp.experiments.results import Reproduction
from ratlp.report.alt import alt_texts
from ratlp.report.document import Document, facts_of
from ratlp.report.html import html_page
from ratlp.report.sections import sections
from ratlp.report.words import gain_sentences, headline, reproduction_summary

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def report_page(reproduction: Reproduction, figures: Mapping[str, "Figure"]) -> str:
    """The page, as text of an HTML file.

    Args:
        reproduction: What was found; every text in it is escaped.
        figures: Those of `report_figures`, by its names; a section goes without one that is missing.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    document = Document(
        title="RAT-LP reproduced: what holds and what does not",
        lede=headline(reproduction),
        summary=reproduction_summary(reproduction.table1),
        remarks=tuple(gain_sentences(reproduction.gains)),
        facts=facts_of({"Data": reproduction.data, "Training": reproduction.setting}),
        sections=tuple(sections(reproduction)),
        command=reproduction.command,
        versions=reproduction.versions,
    )
    return html_page(document, figures, alt_texts(reproduction))
