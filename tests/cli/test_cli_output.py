import json
import os
import signal

import pytest
from rich.console import Console

from ratlp.cli import output
from ratlp.cli.output import OutputFolder
from ratlp.cli.terminal import rich_table
from ratlp.errors import InputError
from ratlp.report.grid import Column, Grid

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


def results(*names):
    return json.dumps({"schema": SCHEMA, "files": [*names, "results.json"]}).encode()


def test_what_an_earlier_set_lists_and_the_new_one_lacks_is_removed(tmp_path):
    (tmp_path / "search.md").write_text("the user's own: no set lists it")
    first = {"a.md": b"1", "ablation.md": b"1", "results.json": results("a.md", "ablation.md")}
    OutputFolder(tmp_path, schema=SCHEMA).publish(first)
    second = {"a.md": b"2", "results.json": results("a.md")}
    OutputFolder(tmp_path, schema=SCHEMA).publish(second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.md", "results.json", "search.md"]
    assert (tmp_path / "a.md").read_bytes() == b"2"


@pytest.mark.parametrize("name", ["../outside.md", "sub/inside.md", "", "."])
def test_a_list_cannot_name_files_elsewhere(tmp_path, name):
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    for path in (tmp_path / "outside.md", out / "sub" / "inside.md"):
        path.touch()
    (out / "results.json").write_bytes(results(name))
    OutputFolder(out, schema=SCHEMA).publish({"results.json": results()})
    assert (tmp_path / "outside.md").exists()
    assert (out / "sub" / "inside.md").exists()


def test_an_interrupt_while_renaming_waits_for_the_whole_set(tmp_path, monkeypatch):
    replace = output.Path.replace

    def interrupted(path, target):
        signal.raise_signal(signal.SIGINT)
        return replace(path, target)

    monkeypatch.setattr(output.Path, "replace", interrupted)
    folder = OutputFolder(tmp_path, schema=SCHEMA)
    with pytest.raises(KeyboardInterrupt):
        folder.publish({"results.json": results("a.md", "b.md"), "a.md": b"a", "b.md": b"b"})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.md", "b.md", "results.json"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_results_json_is_renamed_last(tmp_path):
    (tmp_path / "z.md").mkdir()  # the rename onto it fails
    with pytest.raises(InputError):
        OutputFolder(tmp_path, schema=SCHEMA).publish({"results.json": results("z.md"), "z.md": b"z"})
    assert not (tmp_path / "results.json").exists()


def test_an_interrupt_while_probing_leaves_no_probe(tmp_path, monkeypatch):
    touch = output.Path.touch

    def interrupted(path):
        touch(path)
        raise KeyboardInterrupt

    monkeypatch.setattr(output.Path, "touch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        OutputFolder(tmp_path, schema=SCHEMA)
    assert list(tmp_path.iterdir()) == []


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


def test_a_narrow_terminal_cuts_nothing_short(capsys):
    grid = Grid((Column("Model"), Column("p-value", right=True)), (("a-net-with-a-long-name", "3.23e-05"),))
    Console(width=20).print(rich_table(grid))
    cells = [line[2:].split() for line in capsys.readouterr().out.splitlines()[3:] if line.strip()]
    assert "".join(cell[0] for cell in cells) == "a-net-with-a-long-name"
    assert "".join(cell[1] for cell in cells if len(cell) > 1) == "3.23e-05"
