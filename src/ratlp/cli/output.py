"""The output folder: claimed before the work, filled all at once after it."""

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ratlp.errors import InputError

_RESULTS = "results.json"


class OutputFolder:
    """A folder for results.

    It is created, and tried for writing, before any work is done. A `results.json` there that this command
    has not written is not overwritten. Its own one lists the set's `files`: what an earlier set has and the
    new one lacks is removed. All other files are left alone.

    Args:
        path: The folder; parents are created.
        schema: The `schema` of the results to be written.

    Raises:
        InputError: The folder cannot be created or written, or holds somebody else's `results.json`.

    Example:
        >>> import tempfile
        >>> folder = OutputFolder(Path(tempfile.mkdtemp()) / "out", schema="example/1")
        >>> folder.publish({"table1.md": b"..."})
        >>> sorted(p.name for p in folder.path.iterdir())
        ['table1.md']
    """

    def __init__(self, path: Path, *, schema: str) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            probe = path / f".ratlp-{os.getpid()}"
            try:
                probe.touch()
            finally:
                probe.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(
                f"the output folder must be one that can be written; found {str(path)!r} "
                f"({error.strerror}): give another with --out"
            ) from None
        self._earlier = self._earlier_files(schema)

    def _earlier_files(self, schema: str) -> set[str]:
        """The names that the earlier set lists; only plain ones, which lie in the folder."""
        existing = self.path / _RESULTS
        if not existing.exists():
            return set()
        try:
            found = json.loads(existing.read_bytes())
            ours, names = found["schema"] == schema, set(found.get("files", []))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            ours, names = False, set()
        if not ours:
            raise InputError(
                f"the output folder must not hold another program's results; {str(existing)!r} was not "
                "written by this command: give another folder with --out, or move the file away"
            )
        return {name for name in names if isinstance(name, str) and name == Path(name).name}

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Write all files under temporary names, then rename them: no name ever holds half a file.

        An interrupt waits until the set is complete. `results.json` comes last, so that it never stands for
        files that are not there yet.
        """
        names = sorted(files, key=lambda name: name == _RESULTS)
        staged = {name: self.path / f".{name}.{os.getpid()}.tmp" for name in names}
        try:
            for name, temporary in staged.items():
                temporary.write_bytes(files[name])
            with _interrupts_held():
                for name in self._earlier - files.keys():
                    if (self.path / name).is_file():
                        (self.path / name).unlink()
                for name, temporary in staged.items():
                    temporary.replace(self.path / name)
        except OSError as error:
            raise InputError(
                f"the results must be written to {str(self.path)!r}; found {error.strerror}: "
                "make room or give another folder with --out"
            ) from None
        finally:
            for temporary in staged.values():
                temporary.unlink(missing_ok=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep Ctrl-C waiting until the block is done. Outside the main thread, none arrives."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if received:
            signal.raise_signal(signal.SIGINT)
