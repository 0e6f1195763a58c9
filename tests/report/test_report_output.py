import json

from ratlp.experiments.results import SCHEMA
from ratlp.report import output_files, table1_markdown


def test_files_of_a_full_reproduction(reproduction):
    found = output_files(reproduction)
    names = ("table1", "boundary", "theorem", "ablation")
    pictures = {f"{name}.{kind}" for name in names for kind in ("png", "svg")}
    tables = {"table1.md", "ablation.md", "theorem.md", "search.md"}
    assert set(found) == {"results.json", "report.html"} | tables | pictures
    assert json.loads(found["results.json"])["schema"] == SCHEMA
    assert found["table1.md"].decode() == table1_markdown(reproduction.table1) + "\n"


def test_files_of_a_bare_reproduction(bare):
    assert set(output_files(bare)) == {
        "results.json", "report.html", "table1.md", "theorem.md",
        "table1.png", "table1.svg", "theorem.png", "theorem.svg",
    }  # fmt: skip
