"""Imports of packages that only the extras install."""

import importlib
from typing import Any

from ratlp.errors import MissingExtraError


def import_optional(module: str, *, package: str, extra: str) -> Any:
    """Import a module of an optional package.

    Args:
        module: The module, such as "sklearn.datasets".
        package: The package that a user would install, such as "scikit-learn".
        extra: The extra of ratlp that holds the package.

    Returns:
        The module.

    Raises:
        MissingExtraError: It is not installed.

    Example:
        >>> import_optional("json", package="json", extra="cli").dumps([1])
        '[1]'
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise MissingExtraError(package, extra) from error
