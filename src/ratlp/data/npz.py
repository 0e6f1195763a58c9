"""NumPy's `.npz` archives, with or without a given split."""

import reprlib
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ratlp.data.given import GivenSource
from ratlp.data.reading import reading
from ratlp.data.scaling import Array, scaling_for
from ratlp.data.source import Source
from ratlp.data.stratified import StratifiedSource
from ratlp.data.validate import (
    check_classes,
    check_stratifiable,
    check_test_part,
    checked_examples,
)
from ratlp.errors import InputError

_WHOLE = ("x", "y")
_GIVEN = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path) -> Source:
    """Read an archive with the arrays `x` and `y`, or the same two for train and test.

    `x` and `y` are split anew for each seed. `x_train`, `y_train`, `x_test`, `y_test`
    are a given split, and are taken where an archive holds both kinds. uint8 inputs are divided by
    255. Other inputs stay as they are where all of them lie in [0, 1], and are standardised by the
    training part where not. Pickled objects are never loaded.

    Args:
        path: The file; inputs `[n, *features]`, labels `[n]` in `0..C-1`.

    Returns:
        The source, named like the file.

    Raises:
        InputError: The file is damaged, lacks the arrays, or the examples break a rule.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "ramp.npz")
        ...     np.savez(path, x=np.linspace(0, 1, 20).reshape(10, 2), y=np.arange(10) % 2)
        ...     source = read_npz(path)
        >>> source.name, source.features, source.bounds
        ('ramp', (2,), (0.0, 1.0))
    """
    arrays = _arrays(path)
    if "x" in arrays:
        x, y = _examples(path, arrays, "")
        check_classes(y, f"{path}: y")
        check_stratifiable(y, f"{path}: y")
        return StratifiedSource(path.stem, x, y, scaling=scaling_for(x))
    train = _examples(path, arrays, "_train")
    check_classes(train[1], f"{path}: y_train")
    test = _examples(path, arrays, "_test")
    check_test_part(train, test, x_name=f"{path}: x_test", y_name=f"{path}: y_test")
    return GivenSource(
        path.stem,
        train,
        test,
        scaling=scaling_for(train[0], test[0]),
        split_rule="the given train and test arrays",
    )


def _arrays(path: Path) -> dict[str, Array]:
    """Load the arrays of the given split or, without one, of the whole data."""
    # The stream is opened here, since np.load leaves its own open when the archive is damaged.
    with reading(path, "an .npz file"), path.open("rb") as stream:
        if not zipfile.is_zipfile(stream):  # np.load would take it for a pickle
            raise InputError(
                f"{path} must be a zip archive as numpy.savez writes it; found other or truncated bytes: save it again"
            )
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            for names in (_GIVEN, _WHOLE):
                if set(names) <= set(archive.files):
                    return {name: _array(path, archive, name) for name in names}
            raise InputError(
                f"{path} must hold the arrays x and y, or x_train, y_train, x_test and y_test; "
                f"found {reprlib.repr(archive.files)}: rename them"
            )


def _array(path: Path, archive: "np.lib.npyio.NpzFile", name: str) -> Array:
    try:
        array = archive[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise InputError(
            f"{path}: {name} must hold numbers; found pickled Python objects, refused because "
            "loading them can run any code: save it as float32"
        ) from error
    if not isinstance(array, np.ndarray):  # numpy hands out the bytes of what is not an array
        raise InputError(f"{path}: {name} must be an array; found other bytes: save it again")
    return array


def _examples(path: Path, arrays: dict[str, Array], suffix: str) -> tuple[Array, NDArray[np.int64]]:
    x_name, y_name = f"x{suffix}", f"y{suffix}"
    return checked_examples(arrays[x_name], arrays[y_name], x_name=f"{path}: {x_name}", y_name=f"{path}: {y_name}")
