"""The whole reproduction as one HTML page."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ratlp.experiments.results import Reproduction
from ratlp.report.alt import alt_texts
from ratlp.report.document import Document, Facts
from ratlp.report.html import html_page
from ratlp.report.labels import key_label
from ratlp.report.sections import sections
from ratlp.report.table import value_text
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
        facts=_facts(reproduction),
        sections=tuple(sections(reproduction)),
        command=reproduction.command,
        versions=reproduction.versions,
    )
    return html_page(document, figures, alt_texts(reproduction))


def _facts(reproduction: Reproduction) -> Facts:
    parts = {"Data": reproduction.data, "Training": reproduction.setting}
    return {
        title: [(key_label(key), value_text(value)) for key, value in part.items()] for title, part in parts.items()
    }
