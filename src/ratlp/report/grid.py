"""A table of text, before it becomes Markdown or HTML."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column's heading and look.

    Attributes:
        title: The heading.
        right: Whether the column is flush right, as numbers are.
        code: Whether the cells are code.
        prose: Whether the cells are sentences, which may take several lines.
    """

    title: str
    right: bool = False
    code: bool = False
    prose: bool = False


@dataclass(frozen=True)
class Grid:
    """Columns and rows of text; every row has one cell per column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        r"""The grid as a Markdown table whose lines all have the same width.

        Pipes are escaped, line breaks become spaces, empty cells of a code column stay empty.

        Example:
            >>> print(Grid((Column("Name"), Column("%", right=True)), (("a|b", "9"),)).markdown())
            | Name |   % |
            | ---- | --: |
            | a\|b |   9 |
        """
        body = [[_cell(text, column) for text, column in zip(row, self.columns, strict=True)] for row in self.rows]
        header = [_cell(column.title, Column("")) for column in self.columns]
        widths = [max(3, *(len(row[place]) for row in [header, *body])) for place in range(len(self.columns))]
        rule = [
            "-" * (width - 1) + (":" if column.right else "-")
            for width, column in zip(widths, self.columns, strict=True)
        ]
        return "\n".join(self._line(row, widths) for row in [header, rule, *body])

    def only(self, *titles: str) -> "Grid":
        """Some of the columns.

        Example:
            >>> Grid((Column("a"), Column("b")), (("1", "2"),)).only("b").rows
            (('2',),)
        """
        places = [place for place, column in enumerate(self.columns) if column.title in titles]
        rows = tuple(tuple(row[place] for place in places) for row in self.rows)
        return Grid(tuple(self.columns[place] for place in places), rows)

    def _line(self, cells: list[str], widths: list[int]) -> str:
        padded = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(cells, widths, self.columns, strict=True)
        )
        return f"| {' | '.join(padded)} |"


def _cell(text: str, column: Column) -> str:
    flat = " ".join(text.split())
    if column.code and flat:
        flat = f"`{flat.replace('`', chr(39))}`"
    elif not column.code:
        flat = flat.replace("<", "&lt;")
    return flat.replace("|", r"\|")
