"""A document as one HTML page that needs nothing else: no file, no network, no script."""

import re
from base64 import b64encode
from collections.abc import Mapping
from importlib.resources import files
from typing import TYPE_CHECKING

from ratlp.optional import import_optional
from ratlp.report.document import Document
from ratlp.report.figures.style import figure_svg

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

_SUBSCRIPT = re.compile(r"\b(L|p|eps)_([a-z])\b")


def html_page(document: Document, figures: Mapping[str, "Figure"], alt: Mapping[str, str]) -> str:
    """The page, as text of an HTML file.

    Args:
        document: What it says; every text in it is escaped.
        figures: By the names that its sections use; a section goes without one that is missing.
        alt: What each figure shows, in words.

    Raises:
        MissingExtraError: jinja2 is not installed.

    Example:
        >>> from ratlp.report.document import Document
        >>> "<h1>Two &amp; three</h1>" in html_page(Document("Two & three", "Nets."), {}, {})
        True
    """
    import_optional("jinja2", package="jinja2", extra="cli")
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["typeset"] = _typeset
    source = files("ratlp.report").joinpath("report.html").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        document=document,
        pictures={name: _inlined(figure) for name, figure in figures.items()},
        alt=alt,
    )


def _inlined(figure: "Figure") -> str:
    """The figure as the address of an image: each SVG keeps its own ids, and a screen reader its text."""
    return f"data:image/svg+xml;base64,{b64encode(figure_svg(figure)).decode('ascii')}"


def _typeset(text: str) -> "Markup":
    """L_g, p_y and eps_z get subscripts, % stays with its number; the text itself is escaped first."""
    from markupsafe import Markup, escape

    lowered = _SUBSCRIPT.sub(r"\1<sub>\2</sub>", str(escape(text)))
    return Markup(lowered.replace(" %", "&nbsp;%"))
