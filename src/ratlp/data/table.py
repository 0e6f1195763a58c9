"""Tables with one labelled example per row: `.csv` and `.parquet`."""

import reprlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ratlp.data.reading import reading
from ratlp.data.scaling import Array, scaling_for
from ratlp.data.source import Source
from ratlp.data.stratified import StratifiedSource
from ratlp.data.validate import (
    check_classes,
    check_finite,
    check_stratifiable,
    checked_examples,
)
from ratlp.errors import InputError
from ratlp.optional import import_optional


def read_table(path: Path, *, label: str = "label") -> Source:
    r"""Read a table: one column holds the labels, all others are numeric features.

    Features stay as they are where all of them lie in [0, 1], and are standardised by the training
    part of each split where not.

    Args:
        path: A `.parquet` file, or a `.csv` file in UTF-8 with commas and a header.
        label: The name of the column with the labels `0..C-1`.

    Returns:
        The source, named like the file, with features `[columns - 1]`.

    Raises:
        InputError: The file is damaged, a column is absent, not numeric or has missing values, or
            the examples break a rule.
        MissingExtraError: pandas, or pyarrow for `.parquet`, is not installed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "people.csv")
        ...     _ = path.write_text("age,height,ill\n" + "30,1.7,0\n41,1.8,1\n" * 5)
        ...     read_table(path, label="ill").features
        (2,)
    """
    frame = _frame(path)
    if label not in frame.columns:
        raise InputError(
            f"{path} must have the label column {label!r}; found the columns "
            f"{reprlib.repr(list(frame.columns))}: name the column that holds the labels"
        )
    columns = [column for column in frame.columns if column != label]
    if not columns:
        raise InputError(f"{path} must have feature columns; found only {label!r}: add columns")
    features = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        features[:, i] = _feature(frame[column], f"{path}: column {column!r}")
    y_name = f"{path}: column {label!r}"
    labels = _labels(frame[label], y_name)
    x, y = checked_examples(features, labels, x_name=str(path), y_name=y_name)
    check_classes(y, y_name)
    check_stratifiable(y, y_name)
    return StratifiedSource(path.stem, x, y, scaling=scaling_for(x))


def _frame(path: Path) -> Any:
    if path.suffix.lower() == ".csv":
        return _csv(path)
    pandas = import_optional("pandas", package="pandas", extra="cli")
    import_optional("pyarrow", package="pyarrow", extra="parquet")
    with reading(path, "a .parquet file"):
        frame = pandas.read_parquet(path, engine="pyarrow")
    frame.columns = [str(column) for column in frame.columns]
    _check_names(path, list(frame.columns))
    return frame


def _csv(path: Path) -> Any:
    pandas = import_optional("pandas", package="pandas", extra="cli")
    with reading(path, "a .csv file"):
        # pandas renames nameless and repeated columns, so look at the header as it is written.
        header = pandas.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False)
        _check_names(path, header.iloc[0].tolist())
        frame = pandas.read_csv(path, low_memory=False)
    # pandas takes the surplus values of long rows for an index and shifts the columns.
    if not isinstance(frame.index, pandas.RangeIndex):
        raise InputError(f"{path} must have as many values in each row as column names; found more: check the header")
    return frame


def _check_names(path: Path, names: list[str]) -> None:
    """Refuse what is likely a row number or a second copy of the labels among the features."""
    if "" in names:
        raise InputError(
            f"{path} must name every column; found no name for column {names.index('') + 1}: "
            "name it or, if it numbers the rows, drop it"
        )
    repeated = sorted(name for name in set(names) if names.count(name) > 1)
    if repeated:
        raise InputError(f"{path} must name each column once; found {repeated[0]!r} again: rename or drop it")


def _feature(column: Any, name: str) -> NDArray[np.float64]:
    present = column.dropna().infer_objects()  # a gap turns a column of booleans into objects
    if len(present) and not _is_numeric(present):
        stray = next((value for value in present if not _is_number(value)), present.iloc[0])
        raise InputError(
            f"{name} must be numeric; found {reprlib.repr(stray)}: encode it as numbers or drop the column"
        )
    _check_complete(column, name)
    values: NDArray[np.float64] = column.to_numpy(dtype=np.float64)
    check_finite(values, name)
    return values


def _labels(column: Any, name: str) -> Array:
    _check_complete(column, name)
    labels: Array = column.to_numpy(dtype=np.float64 if _is_numeric(column) else object)
    return labels


def _check_complete(column: Any, name: str) -> None:
    missing = int(column.isna().sum())
    if missing:
        raise InputError(f"{name} must have a value in every row; found {missing} missing: fill them or drop the rows")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_numeric(column: Any) -> bool:
    types = import_optional("pandas.api.types", package="pandas", extra="cli")
    return bool(types.is_numeric_dtype(column)) and not types.is_complex_dtype(column)
