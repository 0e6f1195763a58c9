import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from ratlp.data.table import read_table
from ratlp.errors import InputError, MissingExtraError


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame({"age": np.arange(20), "tall": np.arange(20) % 3 == 0, "label": np.arange(20) % 2})


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("table")


def refusal(path: Path) -> str | None:
    try:
        read_table(path)
    except InputError as error:
        return str(error)
    return None


def csv(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text, encoding="utf-8")
    return path


def rows(first: str, *, header: str = "age,label") -> str:
    return f"{header}\n{first}\n" + "30,0\n40,1\n" * 10


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".CSV", ".Parquet"])
def test_a_table_is_standardised_by_the_training_part(tmp_path: Path, frame: pd.DataFrame, suffix: str) -> None:
    path = tmp_path / f"mine{suffix}"
    if suffix.lower() == ".csv":
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    source = read_table(path)
    assert (source.name, source.features, source.classes) == ("mine", (2,), 2)
    assert (source.bounds, source.units) == (None, "standard deviations of the training part")
    assert source.split_rule == "stratified 80/20, drawn anew for each seed"
    split = source.draw(0)
    assert split.x_train.mean(0).abs().max() < 1e-6
    assert (split.x_train.std(0, correction=0) - 1).abs().max() < 1e-6


def test_the_unit_interval_is_left_alone(tmp_path: Path) -> None:
    source = read_table(csv(tmp_path, "a,label\n" + "0.25,0\n1,1\n" * 10))
    assert source.bounds == (0.0, 1.0)
    assert source.draw(0).x_train.unique().tolist() == [0.25, 1]


def test_the_label_column_can_be_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "\ufeffillness,age\n" + "False,30\nTrue,40\n" * 10)
    assert read_table(path, label="illness").classes == 2


def test_nullable_types_are_numbers(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = tmp_path / "mine.parquet"
    frame.astype({"age": "Int64", "tall": "boolean", "label": "Int8"}).to_parquet(path)
    assert read_table(path).features == (2,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            rows("1,0", header="age,class"),
            r" must have the label column 'label'; found the columns "
            r"\['age', 'class'\]: name",
        ),
        (
            "age;label\n30;0\n40;1\n",
            r" must have the label column 'label'; .*\['age;label'\]",
        ),
        ("label\n0\n1\n", " must have feature columns; found only 'label'"),
        ("age,label\n", r" must hold examples; found shape \(0, 1\)"),
        (rows("old,0"), ": column 'age' must be numeric; found 'old': encode"),
        (rows("1,0") + "4x,1\n", ": column 'age' must be numeric; found '4x': encode"),
        (rows(",0"), ": column 'age' must have a value in every row; found 1 missing: fill"),
        (rows("1,"), ": column 'label' must have a value in every row; found 1 missing: fill"),
        (rows("1"), ": column 'label' must have a value in every row; found 1 missing: fill"),
        (
            rows("inf,0"),
            ": column 'age' must be finite; found 0 NaN and 1 infinite values, the first at index 0",
        ),
        (rows("1,sick"), ": column 'label' must hold integer labels 0..C-1; found 'sick': encode"),
        (rows("1,0.5"), ": column 'label' must hold integer labels 0..C-1; found 0.5: encode"),
        (rows("1,5"), ": column 'label' must hold the labels .* from 0 to 5 without 2: renumber"),
        (rows("1,2"), ": column 'label' must hold at least 2 examples of each class"),
        (
            rows("0,30,0", header=",age,label"),
            " must name every column; found no name for column 1",
        ),
        (rows("1,0", header="label,label"), " must name each column once; found 'label' again"),
        ("age,label\n" + "30,0,\n40,1,\n" * 5, " must have as many values in each row as column"),
        (rows("1,0") + "1,2,3\n", " cannot be read as a .csv file .*Expected 2 fields"),
        (rows('"1,0'), " cannot be read as a .csv file .*EOF inside string"),
        ("", " cannot be read as a .csv file .*No columns"),
    ],
)
def test_tables_that_break_a_rule(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=f"mine.csv{message}"):
        read_table(csv(tmp_path, text))


def test_a_gap_in_booleans_is_called_missing(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["tall"] = frame["tall"].astype(object)
    frame.loc[3:4, "tall"] = None
    frame.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(InputError, match=r"column 'tall' must have a value .* found 2 missing"):
        read_table(tmp_path / "mine.csv")


def test_dates_are_not_numeric(tmp_path: Path, frame: pd.DataFrame) -> None:
    frame["born"] = pd.Timestamp("2001-02-03")
    frame.to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(InputError, match="column 'born' must be numeric; found Timestamp"):
        read_table(tmp_path / "mine.parquet")


@pytest.mark.parametrize("name", ["mine.csv", "mine.parquet"])
@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"PAR1", b"PAR1" + b"\xff" * 20 + b"PAR1"])
def test_bytes_of_another_kind_are_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_table(tmp_path / name)


@settings(max_examples=60, deadline=None)
@given(st.data(), st.sampled_from(["damaged.csv", "damaged.parquet"]))
def test_damage_gives_a_source_or_an_input_error(scratch: Path, data: st.DataObject, name: str) -> None:
    path = scratch / name
    frame = pd.DataFrame({"age": np.arange(20.0), "label": np.arange(20) % 2})
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.sampled_from([len(content), len(content) // 2]))])
    message = refusal(path)
    assert message is None or (name in message and "\n" not in message)


@pytest.mark.parametrize(("module", "extra"), [("pandas", r"ratlp\[cli\]"), ("pyarrow", r"ratlp\[parquet\]")])
def test_a_missing_package_names_its_extra(
    tmp_path: Path, frame: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, module: str, extra: str
) -> None:
    frame.to_parquet(tmp_path / "mine.parquet")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"'{module}'.*{extra}"):
        read_table(tmp_path / "mine.parquet")
