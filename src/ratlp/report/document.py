"""What a page says, before it becomes HTML."""

from collections.abc import Mapping
from dataclasses import dataclass

from ratlp.report.grid import Grid

Facts = Mapping[str, list[tuple[str, str]]]
"""By the title of a card its entries: names and values."""


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
