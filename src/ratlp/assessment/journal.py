"""What is finished of a long run, kept on disk line by line, so that a killed run goes on where it was."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from ratlp.errors import InputError
from ratlp.evaluation import Record

SCHEMA = "ratlp.unfinished/1"
"""Names the layout of the file."""

Value = TypeVar("Value")


class Journal:
    """A file of JSON lines: first whose run it is, then one line for each piece of work that is finished.

    A line is on disk before the next piece of work begins. A last line that was cut off half-way counts for nothing.

    Args:
        path: Where the file lies, or is to be made.
        identity: All that the run's results depend on, as JSON: model, samples, settings, versions.

    Raises:
        InputError: The file is of another run, damaged, or no journal; or it cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "unfinished.jsonl"
        >>> with Journal(path, {"seed": 0}) as journal:
        ...     journal.value("sum", lambda: 2 + 2)
        4
        >>> with Journal(path, {"seed": 0}) as journal:  # found, not computed anew
        ...     journal.value("sum", lambda: 0)
        4
    """

    def __init__(self, path: Path, identity: Mapping[str, Any]) -> None:
        self.path = path
        self._records: dict[str, list[Record]] = {}
        self._values: dict[str, Any] = {}
        with _explained(path):
            whole = self._read(dict(identity))
            self._stream = path.open("r+b" if whole else "wb")
            self._stream.truncate(whole)  # what a kill left of a last line would spoil the next
            self._stream.seek(whole)
        if not whole:
            self._append({"schema": SCHEMA, "identity": identity})

    @property
    def found(self) -> int:
        """How many pieces of work are finished."""
        return len(self._values) + sum(map(len, self._records.values()))

    def records(self, stage: str) -> tuple[Record, ...]:
        """What a stage has recorded."""
        return tuple(self._records.get(stage, ()))

    def keep(self, stage: str) -> Callable[[Record], None]:
        """What records a stage's finished work."""

        def append(record: Record) -> None:
            self._records.setdefault(stage, []).append(record)
            self._append({"stage": stage, "record": record.to_dict()})

        return append

    def value(self, stage: str, compute: Callable[[], Value]) -> Value:
        """What a stage that is one piece gives, as JSON keeps it: computed once, found afterwards."""
        if stage not in self._values:
            self._values[stage] = json.loads(json.dumps(compute(), allow_nan=False))
            self._append({"stage": stage, "value": self._values[stage]})
        found: Value = self._values[stage]
        return found

    def remove(self) -> None:
        """Take the file away: the results are written."""
        self._stream.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Journal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        if error is not None and not self.found:
            self.path.unlink(missing_ok=True)  # nothing was finished: leave nothing behind

    def _append(self, entry: Mapping[str, Any]) -> None:
        with _explained(self.path):
            self._stream.write(json.dumps(entry, allow_nan=False).encode() + b"\n")
            self._stream.flush()
            os.fsync(self._stream.fileno())

    def _read(self, identity: Mapping[str, Any]) -> int:
        """Take in what the file holds; the number of bytes in whole lines."""
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content.rfind(b"\n") + 1
        if not whole:
            if content and not f'{{"schema": "{SCHEMA}"'.encode().startswith(content[:20]):
                raise self._refused("was not written by this command")
            return 0
        header, *entries = map(self._entry, content[:whole].splitlines())
        if header.get("schema") != SCHEMA:
            raise self._refused("was not written by this command, or by another version of it")
        others = _differences(header.get("identity"), json.loads(json.dumps(identity)))
        if others:
            raise self._refused(f"holds an unfinished run with other {', '.join(others)}")
        for entry in entries:
            self._take(entry)
        return whole

    def _take(self, entry: Mapping[str, Any]) -> None:
        try:
            stage = entry["stage"]
            if "record" in entry:
                self._records.setdefault(stage, []).append(Record.from_dict(entry["record"]))
            else:
                self._values[stage] = entry["value"]
        except (KeyError, InputError):
            raise self._refused("is damaged") from None

    def _entry(self, line: bytes) -> dict[str, Any]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise self._refused("is damaged")
        return entry

    def _refused(self, found: str) -> InputError:
        return InputError(
            f"unfinished work must be this run's own; {str(self.path)!r} {found}: finish that with its own command, "
            "give another folder with --out, or delete the file"
        )


def _differences(found: Any, wanted: Any, name: str = "") -> list[str]:
    """What differs between two identities, by name; of a setting with its value."""
    if not isinstance(found, dict) or not isinstance(wanted, dict):
        return [] if found == wanted else [name if len(str(found)) > 40 else f"{name} ({found})"]
    keys = [*wanted, *(key for key in found if key not in wanted)]
    return [other for key in keys for other in _differences(found.get(key), wanted.get(key), key)]


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into one line."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"finished work must be kept in {str(path)!r}; found {error.strerror}: "
            "make room or give another folder with --out"
        ) from None
