"""From what a user types to a source."""

from pathlib import Path

from ratlp.data.digits import Digits
from ratlp.data.idx import read_idx_folder
from ratlp.data.moons import Moons
from ratlp.data.npz import read_npz
from ratlp.data.reading import reading
from ratlp.data.source import Source
from ratlp.data.table import read_table
from ratlp.errors import InputError

_ACCEPTED = "'moons', 'digits', a folder of IDX files, or a .npz, .csv or .parquet file"


def load_source(spec: str | Path, *, label: str = "label") -> Source:
    """Open a source by its name or its path.

    Args:
        spec: "moons", "digits", a folder of IDX files, or a file ending in `.npz`, `.csv` or
            `.parquet`. A folder that is called "moons" is reached as "./moons" or as a Path.
        label: The label column of a table; other sources have none.

    Returns:
        The source.

    Raises:
        InputError: Nothing is known by that name, or the data breaks a rule.
        MissingExtraError: A package that reads this kind of data is not installed.

    Example:
        >>> load_source("digits").classes
        10
    """
    if spec == "moons":
        return Moons()
    if spec == "digits":
        return Digits()
    path = Path(spec)
    if not _is_text(str(spec)):
        raise InputError(f"the data's path must be valid UTF-8; found {str(spec)!r}: rename it")
    with reading(path, _ACCEPTED):  # a folder above it may be closed to the user
        exists = spec != "" and path.exists()  # an empty path would mean the current folder
        is_folder, is_file = exists and path.is_dir(), exists and path.is_file()
    if is_folder:
        return read_idx_folder(path)
    if is_file and path.suffix.lower() == ".npz":
        return read_npz(path)
    if is_file and path.suffix.lower() in (".csv", ".parquet"):
        return read_table(path, label=label)
    found = "which is of another kind" if exists else "which is no name, file or folder"
    raise InputError(f"data must be {_ACCEPTED}; found {str(spec)!r}, {found}: check the spelling")


def _is_text(name: str) -> bool:
    """Whether a name can be written down: the system hands over other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
