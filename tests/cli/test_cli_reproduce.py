import json
import shlex
from functools import partial

import numpy as np
import pytest
from utils import command
from utils.command import assert_one_line, interrupted_at_once, results

run = partial(command.run, "reproduce")


def quick(out, *arguments):
    return run("--seeds", 2, "--epochs", 1, "--no-ablation", "--out", out, *arguments)


def test_moons_writes_everything(tmp_path, capsys):
    out = tmp_path / "out"
    assert quick(out) == 0
    names = {path.name for path in out.iterdir()}
    figures = {f"{stem}.{kind}" for stem in ("table1", "boundary", "theorem") for kind in ("png", "svg")}
    assert names == {"results.json", "table1.md", "theorem.md", "report.html"} | figures
    captured = capsys.readouterr()
    assert (out / "table1.md").read_text() in captured.out
    assert captured.err == ""  # no progress bar where there is no terminal


def test_the_same_command_twice_gives_the_same_bytes_up_to_timings(tmp_path):
    contents = []
    for name in ("a", "b"):
        quick(tmp_path / name)
        content = results(tmp_path / name)
        content.pop("timings")
        contents.append(content)
        (tmp_path / name / "results.json").unlink()
    assert json.dumps(contents[0]) == json.dumps(contents[1])
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


@pytest.mark.parametrize("kind", ["digits", "npz", "csv", "parquet"])
def test_other_data(tmp_path, kind):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 3)), np.arange(60) % 3
    data = tmp_path / f"mine.{kind}"
    if kind == "digits":
        data = kind
    elif kind == "npz":
        np.savez(data, x=x, y=y)
    else:
        import pandas as pd

        frame = pd.DataFrame(x, columns=["a", "b", "c"]).assign(kind=y)
        frame.to_csv(data, index=False) if kind == "csv" else frame.to_parquet(data)
    assert quick(tmp_path / "out", "--data", data, "--label", "kind") == 0
    content = results(tmp_path / "out")
    assert {row["paper"] for row in content["table1"]} == {None}
    assert content["theorem"]["violations"] == 0
    assert not (tmp_path / "out" / "boundary.png").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": [[1.0], [np.nan], [2.0], [3.0]], "y": [0, 1, 0, 1]}, "NaN"),
        ({"x": [[1.0], [np.inf], [2.0], [3.0]], "y": [0, 1, 0, 1]}, "inf"),
        ({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 0.5, 1, 1]}, "integer"),
        ({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, -1, 0, -1]}, "0..C-1"),
        ({"x": [[1.0], [2.0], [3.0], [4.0]], "y": [0, 0, 0, 0]}, "class"),
        ({"x": np.zeros((0, 2)), "y": np.zeros(0)}, "must hold examples"),
    ],
)
def test_bad_data_is_one_line_and_exit_code_2(tmp_path, capsys, content, message):
    np.savez(tmp_path / "bad.npz", **{name: np.asarray(value) for name, value in content.items()})
    assert quick(tmp_path / "out", "--data", tmp_path / "bad.npz") == 2
    assert_one_line(capsys, message)
    assert not (tmp_path / "out").exists()


def test_a_users_file_named_moons_is_not_two_moons(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    np.savez("moons.npz", x=rng.normal(size=(60, 3)), y=np.arange(60) % 2)
    assert run("--seeds", 2, "--epochs", 1, "--data", "moons.npz") == 0
    content = results(tmp_path / "ratlp-results" / "file-moons")
    assert (content["data"]["kind"], content["data"]["name"]) == ("file", "moons")
    assert "Two Moons" not in (tmp_path / "ratlp-results" / "file-moons" / "report.html").read_text()


def test_the_recorded_command_gives_the_same_results_again(tmp_path):
    data = tmp_path / "my data.csv"
    data.write_text("a,the kind\n" + "".join(f"{i / 20},{i % 2}\n" for i in range(20)))
    quick(tmp_path / "first", "--data", data, "--label", "the kind")
    first = results(tmp_path / "first")
    name, subcommand, *options = shlex.split(first["command"])
    assert (name, subcommand) == ("ratlp", "reproduce")
    assert run(*options, "--out", tmp_path / "second") == 0
    second = results(tmp_path / "second")
    del first["timings"], second["timings"]
    assert first == second


def test_a_run_without_the_ablation_removes_that_of_an_earlier_run(tmp_path):
    assert run("--seeds", 2, "--epochs", 1, "--ablation", "--out", tmp_path) == 0
    assert (tmp_path / "ablation.md").exists()
    assert quick(tmp_path) == 0
    listed = results(tmp_path)["files"]
    assert sorted(path.name for path in tmp_path.iterdir()) == listed
    assert "ablation.md" not in listed


def test_missing_data(tmp_path, capsys):
    assert quick(tmp_path / "out", "--data", tmp_path / "nowhere") == 2
    assert "nowhere" in capsys.readouterr().err


def test_the_search_is_for_the_papers_data_only(tmp_path, capsys):
    assert quick(tmp_path / "out", "--data", "digits", "--search") == 2
    assert "the search compares with the paper's numbers" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert quick(tmp_path / "file") == 2
    assert "output folder" in capsys.readouterr().err


def test_interrupted_leaves_no_result(tmp_path):
    code, err = interrupted_at_once("reproduce", "--epochs", 100_000, "--out", tmp_path / "out")
    assert code == 130
    assert err == "ratlp: interrupted; results are written whole or not at all\n"
    assert list((tmp_path / "out").iterdir()) == []
