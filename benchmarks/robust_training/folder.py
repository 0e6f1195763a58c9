"""The folder of a benchmark: every finished piece of work is a file, so that a run that was stopped goes on."""

import json
from pathlib import Path
from typing import Any

from shared.files import as_json, write_whole
from torch import nn

import ratlp
from ratlp.errors import InputError


class Folder:
    """Runs, nets and rows by name.

    Args:
        path: Made where it is missing.

    Raises:
        InputError: It cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            (path / "models").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"--out must be a folder that can be made; found {str(path)!r} ({error.strerror})"
            ) from None

    def claim(self, identity: dict[str, Any]) -> None:
        """Keep work of different kinds apart.

        Raises:
            InputError: The folder holds work of another kind.
        """
        before = self.read("identity.json")
        if before is None:
            self.write("identity.json", identity)
        elif before != identity:
            raise InputError(
                f"--out must hold work of the same kind; found {before}, not {identity}: name another folder"
            )

    def model(self, name: str) -> Path:
        """Where a net is."""
        return self._path / "models" / f"{name}.safetensors"

    def keep_model(self, name: str, net: nn.Module, run: dict[str, Any]) -> None:
        """The run is written last: where it is, the net is whole."""
        ratlp.save(net, self.model(name))
        self.write(f"runs/{name}.json", run)

    def read(self, name: str) -> Any:
        """None where it is not there yet.

        Raises:
            InputError: It is not JSON.
        """
        path = self._path / name
        if not path.exists():
            return None
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"finished work must be JSON; found {error} in {path}: remove it, to do it again"
            ) from None

    def write(self, name: str, content: Any) -> None:
        """As JSON."""
        self.write_bytes(name, as_json(content))

    def write_bytes(self, name: str, content: bytes) -> None:
        """The whole file or none of it."""
        write_whole(self._path / name, content)
