import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ratlp.data import Digits, Moons, load_source
from ratlp.errors import InputError


def test_built_in_names() -> None:
    assert isinstance(load_source("moons"), Moons)
    assert isinstance(load_source("digits"), Digits)


@pytest.mark.parametrize("as_text", [False, True])
def test_files_by_their_suffix(tmp_path: Path, as_text: bool) -> None:
    y = np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x=y[:, None], y=y)
    frame = pd.DataFrame({"x": y, "class": y})
    frame.to_csv(tmp_path / "b.csv", index=False)
    frame.to_parquet(tmp_path / "c.parquet")
    for name in ("a.npz", "b.csv", "c.parquet"):
        path = tmp_path / name
        source = load_source(str(path) if as_text else path, label="class")
        assert source.name == path.stem
        assert source.draw(0).x_test.shape == (4, 1)


@pytest.mark.parametrize("spec", ["mons", "no/such.csv", "", "a\0b", Path("nowhere.npz")])
def test_an_unknown_name_lists_what_is_accepted(spec: str | Path) -> None:
    message = r"'moons', 'digits', a folder .* .parquet file; found .* no name, file or folder"
    with pytest.raises(InputError, match=message):
        load_source(spec)


@pytest.mark.parametrize("name", ["data.txt", "data", "data.csv.gz"])
def test_another_kind_of_file_lists_what_is_accepted(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(InputError, match=r".npz, .csv or .parquet file; found .* of another kind"):
        load_source(tmp_path / name)


def test_a_folder_without_idx_files_lists_them(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must hold the IDX files train-images-idx3-ubyte, train"):
        load_source(tmp_path)


def test_a_path_wins_over_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "moons").mkdir()
    monkeypatch.chdir(tmp_path)
    for spec in ("./moons", Path("moons")):
        with pytest.raises(InputError, match="moons must hold the IDX files"):
            load_source(spec)


def test_an_overlong_path_is_refused() -> None:
    with pytest.raises(InputError, match=r"parquet file( \(File name too long|.* no name)"):
        load_source("a" * 5000 + ".csv")


@pytest.mark.parametrize("name", ["a.npz", "a.csv", "a.parquet"])
def test_a_file_that_may_not_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / name
    path.touch()
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may open every file")
    with pytest.raises(InputError, match=rf"{name} cannot be read as an? .* \(.*[Pp]ermission"):
        load_source(path)
