import pytest

from ratlp.report.grid import Column, Grid


def test_lines_have_one_width_and_numbers_are_flush_right():
    grid = Grid((Column("Name"), Column("%", right=True)), (("a", "9.5"), ("longer", "100")))
    assert grid.markdown().splitlines() == [
        "| Name   |   % |",
        "| ------ | --: |",
        "| a      | 9.5 |",
        "| longer | 100 |",
    ]


@pytest.mark.parametrize(
    ("cell", "code", "expected"),
    [
        ("||w||_1", True, r"`\|\|w\|\|_1`"),
        ("a|b", False, r"a\|b"),
        ("two\nlines", False, "two lines"),
        ("a`b", True, "`a'b`"),
        ("", True, ""),
        ("<b>", False, "&lt;b>"),
    ],
)
def test_cells_cannot_break_the_table(cell, code, expected):
    line = Grid((Column("x", code=code),), ((cell,),)).markdown().splitlines()[-1]
    assert line.removeprefix("|").removesuffix("|").strip() == expected


def test_a_table_without_rows_has_a_header():
    assert Grid((Column("Method"),), ()).markdown() == "| Method |\n| ------ |"


def test_a_row_of_another_length_is_refused():
    with pytest.raises(ValueError, match="zip"):
        Grid((Column("x"),), (("1", "2"),)).markdown()
