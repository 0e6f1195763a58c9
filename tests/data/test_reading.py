from pathlib import Path

import pytest

from ratlp.data.reading import reading
from ratlp.errors import InputError, LayerError


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (PermissionError(13, "Permission denied", "a.csv"), "Permission denied"),
        (ValueError("first\n  second"), "first second"),
        (MemoryError(), "MemoryError"),
        (ValueError("x" * 999), "x" * 200 + "..."),
    ],
)
def test_any_exception_becomes_one_line(raised: Exception, reason: str) -> None:
    with pytest.raises(InputError) as caught, reading(Path("a.csv"), "a .csv file"):
        raise raised
    assert str(caught.value) == f"a.csv cannot be read as a .csv file ({reason}): check the file"
    assert caught.value.__cause__ is raised


def test_own_errors_and_interrupts_pass() -> None:
    for error in (LayerError("as it is"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as caught, reading(Path("a.csv"), "a .csv file"):
            raise error
        assert caught.value is error
