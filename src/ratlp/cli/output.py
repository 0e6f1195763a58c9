"""The output folder: claimed before the work, filled all at once after it."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from ratlp.errors import InputError


class OutputFolder:
    """A folder for results.

    It is created, and tried for writing, before any work is done. Other files in it are left alone; a
    `results.json` there that this command has not written is not overwritten.

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
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise InputError(
                f"the output folder must be one that can be written; found {str(path)!r} "
                f"({error.strerror}): give another with --out"
            ) from None
        self._check_owner(schema)

    def _check_owner(self, schema: str) -> None:
        existing = self.path / "results.json"
        if not existing.exists():
            return
        try:
            found = json.loads(existing.read_bytes())["schema"]
        except (OSError, ValueError, KeyError, TypeError):
            found = None
        if found != schema:
            raise InputError(
                f"the output folder must not hold another program's results; {str(existing)!r} was not "
                "written by this command: give another folder with --out, or move the file away"
            )

    def publish(self, files: Mapping[str, bytes]) -> None:
        """Write all files under temporary names, then rename them: no name ever holds half a file."""
        staged = {name: self.path / f".{name}.{os.getpid()}.tmp" for name in files}
        try:
            for name, content in files.items():
                staged[name].write_bytes(content)
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
