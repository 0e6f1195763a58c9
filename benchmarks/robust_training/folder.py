"""The folder of a benchmark: every finished piece of work is a file, so that a run that was stopped goes on."""

import json
from pathlib import Path
from typing import Any

from shared.files import as_json, write_whole
from torch import nn

import ratlp


class Folder:
    """Runs, nets and rows by name.

    Args:
        path: Made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        (path / "models").mkdir(parents=True, exist_ok=True)

    def claim(self, identity: dict[str, Any]) -> None:
        """Keep work of different kinds apart.

        Raises:
            SystemExit: The folder holds work of another kind.
        """
        before = self.read("identity.json")
        if before is None:
            self.write("identity.json", identity)
        elif before != identity:
            raise SystemExit(
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
        """None where it is not there yet."""
        path = self._path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def write(self, name: str, content: Any) -> None:
        """As JSON."""
        self.write_bytes(name, as_json(content))

    def write_bytes(self, name: str, content: bytes) -> None:
        """The whole file or none of it."""
        write_whole(self._path / name, content)
