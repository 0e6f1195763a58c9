"""The whole reproduction as one HTML page that needs nothing else: no file, no network, no script."""

import re
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from ratlp.errors import MissingExtraError
from ratlp.experiments.results import Reproduction
from ratlp.report.alt import alt_texts
from ratlp.report.figures.style import figure_svg
from ratlp.report.labels import key_label
from ratlp.report.sections import sections
from ratlp.report.table import value_text
from ratlp.report.words import gain_sentences, headline, reproduction_summary

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

_SUBSCRIPT = re.compile(r"\b(L|p|eps)_([a-z])\b")


def report_page(reproduction: Reproduction, figures: Mapping[str, "Figure"]) -> str:
    """The page, as text of an HTML file.

    Args:
        reproduction: What was found; every text in it is escaped.
        figures: Those of `report_figures`, by its names; a section goes without one that is missing.

    Raises:
        MissingExtraError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtraError("jinja2", "cli") from error
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["typeset"] = _typeset
    source = files("ratlp.report").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        headline=headline(reproduction),
        summary=reproduction_summary(reproduction.table1),
        gains=gain_sentences(reproduction.gains),
        facts=_facts(reproduction),
        sections=list(sections(reproduction)),
        pictures={name: _inlined(figure) for name, figure in figures.items()},
        alt=alt_texts(reproduction),
        versions=reproduction.versions,
        command=reproduction.command,
    )


def _facts(reproduction: Reproduction) -> dict[str, list[tuple[str, str]]]:
    parts = {"Data": reproduction.data, "Training": reproduction.setting}
    return {
        title: [(key_label(key), value_text(value)) for key, value in part.items()] for title, part in parts.items()
    }


def _inlined(figure: "Figure") -> str:
    """The figure as the address of an image: each SVG keeps its own ids, and a screen reader its text."""
    return f"data:image/svg+xml;base64,{b64encode(figure_svg(figure)).decode('ascii')}"


def _typeset(text: str) -> "Markup":
    """L_g, p_y and eps_z get subscripts, % stays with its number; the text itself is escaped first."""
    from markupsafe import Markup, escape

    lowered = _SUBSCRIPT.sub(r"\1<sub>\2</sub>", str(escape(text)))
    return Markup(lowered.replace(" %", "&nbsp;%"))
