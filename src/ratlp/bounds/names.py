"""Torch's functions and their names."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def name_of(function: Any) -> str:
    """A function's name as a user knows it.

    Example:
        >>> name_of(torch.relu), name_of(Tensor.relu), name_of(len)
        ('torch.relu', 'torch.Tensor.relu', 'len')
    """
    try:
        found = torch.overrides.resolve_name(function)
    except Exception:  # a function that torch itself does not know
        found = None
    return str(found or getattr(function, "__name__", repr(function)))


def methods_and_functions(names: Iterable[str]) -> list[Any]:
    """The method and the function of each name, as far as there are both.

    Example:
        >>> [name_of(function) for function in methods_and_functions(["flip", "split_with_sizes"])]
        ['torch.Tensor.flip', 'torch.flip', 'torch.Tensor.split_with_sizes', 'torch.split_with_sizes']
    """
    found = [getattr(owner, name, None) for name in names for owner in (Tensor, torch)]
    return [function for function in found if callable(function)]  # torch.float is a dtype
