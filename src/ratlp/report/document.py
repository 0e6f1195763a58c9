"""What a page says, before it becomes HTML."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ratlp.report.grid import Grid
from ratlp.report.labels import key_label
from ratlp.report.table import value_text

Facts = Mapping[str, list[tuple[str, str]]]
"""By the title of a card its entries: names and values."""


def facts_of(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, list[tuple[str, str]]]:
    """Data and settings as the entries of cards.

    Example:
        >>> facts_of({"Data": {"n_test": 3, "bounds": None}})
        {'Data': [('Test points', '3'), ('Bounds of the inputs', 'none')]}
    """
    return {
        title: [(key_label(key), value_text(value)) for key, value in part.items()] for title, part in parts.items()
    }


@dataclass(frozen=True)
class Section:
    """One section of a page.

    Attributes:
        prose: Paragraphs before the table.
        findings: Sentences after the table, as a list.
        marked: The rows of the table that stand out, as they contradict what should be.
        figure: The name of its figure.
        figure_first: Whether the figure stands before the table or after the findings.
    """

    title: str
    prose: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    grid: Grid | None = None
    marked: frozenset[int] = frozenset()
    figure: str | None = None
    caption: str = ""
    figure_first: bool = True


@dataclass(frozen=True)
class Document:
    """One page.

    Attributes:
        title: The page's, and its first heading.
        lede: What was done, in a sentence.
        summary: What came out, in a sentence.
        remarks: Sentences under it.
        warning: A head line and reasons, where what came out is not to be trusted.
        facts: On what, and how.
        sections: In reading order.
        command: That runs it again; None where no command ran it.
        versions: Of what the numbers depend on.
        closing: How far the numbers are the same when it is run again.

    Example:
        >>> Document("Two nets", "They were attacked.", sections=(Section("Robust accuracy"),)).warning
        ()
    """

    title: str
    lede: str
    summary: str = ""
    remarks: tuple[str, ...] = ()
    warning: tuple[str, ...] = ()
    facts: Facts | None = None
    sections: tuple[Section, ...] = ()
    command: str | None = None
    versions: Mapping[str, str] | None = None
    closing: str = "The numbers are the same on the same versions and machine."
