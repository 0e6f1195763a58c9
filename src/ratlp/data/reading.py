"""The boundary where a damaged file becomes one line that the user can act on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ratlp.errors import InputError, RatlpError

_LONGEST_REASON = 200  # characters; parsers may quote whole lines of the file


@contextmanager
def reading(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while a file is read into an `InputError` naming the file.

    Args:
        path: The file.
        kind: What the file should be, with its article: "an .npz file".

    Raises:
        InputError: The file cannot be read, or its bytes are not of that kind.

    Example:
        >>> with reading(Path("a.gz"), "an IDX file"):
        ...     raise EOFError("ended early")
        Traceback (most recent call last):
        ratlp.errors.InputError: a.gz cannot be read as an IDX file (ended early): check the file
    """
    try:
        yield
    except RatlpError:
        raise
    except Exception as error:  # parsers raise nearly anything on bytes that they do not expect
        raise InputError(f"{path} cannot be read as {kind} ({_reason(error)}): check the file") from error


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    line = " ".join(text.split()) or type(error).__name__
    return line if len(line) <= _LONGEST_REASON else line[:_LONGEST_REASON] + "..."
