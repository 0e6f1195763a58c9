"""How a result came about: the command, the versions, the device."""

import platform
import shlex
from collections.abc import Iterable, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch


def origin(script: str, given: Sequence[str], packages: Iterable[str], *, device: str = "cpu") -> dict[str, Any]:
    """For `meta.json`.

    Args:
        script: Its file in `benchmarks/`.
        given: The arguments.
        packages: Whose versions count besides Python's; None for what is not installed.
        device: Of torch.
    """
    return {
        "command": shlex.join(["python", f"benchmarks/{script}", *given]),
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "device": torch.cuda.get_device_name() if device == "cuda" else f"cpu ({platform.machine()})",
        "threads": torch.get_num_threads(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
