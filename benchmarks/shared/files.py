"""Results as files."""

import json
import os
from pathlib import Path
from typing import Any


def as_json(content: Any) -> bytes:
    """Indented, to be read and compared line by line."""
    return (json.dumps(content, indent=2) + "\n").encode()


def write_whole(path: Path, content: bytes) -> None:
    """The whole file or none of it; its folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
