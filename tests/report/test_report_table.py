from dataclasses import replace

import pytest

from ratlp.report import (
    ablation_markdown,
    search_markdown,
    table1_markdown,
    theorem_markdown,
)
from ratlp.report.table import new_seed_interval


@pytest.fixture
def tables(reproduction):
    return {
        "table1": table1_markdown(reproduction.table1),
        "ablation": ablation_markdown(reproduction.ablation),
        "theorem": theorem_markdown(reproduction.theorem),
        "search": search_markdown(reproduction.search),
    }


def cells(markdown):
    """The body's cells; no cell of these tables ends in a backslash."""
    body = [line.replace(r"\|", "¦") for line in markdown.splitlines()[2:]]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in body]


@pytest.mark.parametrize("name", ["table1", "ablation", "theorem", "search"])
def test_tables_line_up(tables, name):
    lines = tables[name].splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1


def test_table1_says_where_the_papers_numbers_lie(tables):
    assert [(row[0], row[1], row[4], row[5].split()[0]) for row in cells(tables["table1"])] == [
        ("Standard training", "Clean", "89.6", "below"),
        ("Standard training", "Input FGSM", "45.2", "below"),
        ("Standard training", "Latent FGSM", "52.8", "below"),
        ("RAT-LP", "Clean", "97.0", "within"),
        ("RAT-LP", "Input FGSM", "93.7", "within"),
        ("RAT-LP", "Latent FGSM", "95.3", "within"),
    ]


def test_table1_on_other_data_has_no_columns_of_the_paper(bare):
    assert [len(row) for row in cells(table1_markdown(bare.table1))] == [4] * 6
    assert "aper" not in table1_markdown(bare.table1)


def test_one_seed_gives_no_verdict(reproduction):
    row = replace(reproduction.table1[0], n_seeds=1, std=0.0, ci95=(96.4, 96.4), verdict=None)
    assert "no verdict from one seed" in table1_markdown([row])


def test_interval_of_a_new_seed_stays_within_0_and_100(reproduction):
    row = reproduction.table1[0]
    assert new_seed_interval(replace(row, mean=99.5))[1] == 100
    assert new_seed_interval(replace(row, mean=0.5))[0] == 0
    low, high = new_seed_interval(replace(row, mean=50.0))
    assert 50 - low == pytest.approx(high - 50)


@pytest.mark.parametrize("empty", [table1_markdown, ablation_markdown])
def test_no_rows_give_a_header_alone(empty):
    assert len(empty([]).splitlines()) == 2


def test_theorem_counts_violations_per_bound(tables):
    rows = cells(tables["theorem"])
    assert rows[0][:3] == ["Standard training", "Paper, taken literally", "4,313 of 20,000"]
    assert rows[-1][-1] == "`increase <= eps * max_j ¦¦w_y - w_j¦¦_1`"


def test_search_shows_the_numbers_of_each_setting(tables):
    rows = cells(tables["search"])
    assert len(rows) == 6
    assert rows[-2][0] == "Standard training: lowest input FGSM"
    assert rows[-2][2] == "61.2"
    assert "latent_activation=a¦b" in rows[0][-1]
