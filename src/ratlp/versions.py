"""Versions, for the record of results."""

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Of everything that the numbers depend on, as far as it is installed.

    Example:
        >>> list(versions())[:4]
        ['python', 'ratlp', 'torch', 'numpy']
    """
    found = {"python": platform.python_version()}
    for package in ("ratlp", "torch", "numpy", "scipy", "scikit-learn"):
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
