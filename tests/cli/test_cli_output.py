import json
import os

import pytest

from ratlp.cli.output import OutputFolder
from ratlp.errors import InputError

SCHEMA = "example/1"


def test_files_appear_under_their_names_and_nothing_else(tmp_path):
    OutputFolder(tmp_path / "a" / "b", schema=SCHEMA).publish({"x.md": b"x", "y.json": b"{}"})
    assert {p.name: p.read_bytes() for p in (tmp_path / "a" / "b").iterdir()} == {
        "x.md": b"x",
        "y.json": b"{}",
    }


def test_own_results_are_replaced_and_other_files_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    for run in ("first", "second"):
        content = json.dumps({"schema": SCHEMA, "run": run}).encode()
        OutputFolder(tmp_path, schema=SCHEMA).publish({"results.json": content})
    assert json.loads((tmp_path / "results.json").read_text())["run"] == "second"
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("content", ['{"schema": "other/1"}', "[1, 2]", "not json", "", "\xff"])
def test_another_programs_results_are_not_overwritten(tmp_path, content):
    (tmp_path / "results.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match="must not hold another program's results"):
        OutputFolder(tmp_path, schema=SCHEMA)
    assert (tmp_path / "results.json").read_text(encoding="latin-1") == content


def test_a_file_in_place_of_the_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="one that can be written"):
        OutputFolder(tmp_path / "file", schema=SCHEMA)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        OutputFolder(tmp_path, schema=SCHEMA)


def test_a_failure_half_way_leaves_nothing(tmp_path):
    folder = OutputFolder(tmp_path, schema=SCHEMA)
    with pytest.raises(TypeError):
        folder.publish({"a.md": b"x", "b.md": None})
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_by_a_folder(tmp_path):
    (tmp_path / "a.md").mkdir()
    with pytest.raises(InputError, match="results must be written"):
        OutputFolder(tmp_path, schema=SCHEMA).publish({"a.md": b"x"})
    assert [p.name for p in tmp_path.iterdir()] == ["a.md"]
