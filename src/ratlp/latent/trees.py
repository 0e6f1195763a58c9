"""Tensors in what modules take and return: alone, or in nested tuples, lists, mappings and dataclasses."""

import copy
import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map


def map_tensors(function: Callable[[Tensor], Tensor], tree: Any) -> Any:
    """A copy of the tree, containers included, with `function` applied to each tensor.

    Example:
        >>> import torch
        >>> map_tensors(lambda t: 2 * t, (torch.tensor(1), {"a": [torch.tensor(2)], "b": "text"}))
        (tensor(2), {'a': [tensor(4)], 'b': 'text'})
    """

    def mapped(leaf: Any) -> Any:
        if isinstance(leaf, Tensor):
            return function(leaf)
        if not _is_dataclass(leaf):
            return leaf
        twin = copy.copy(leaf)
        for field in dataclasses.fields(leaf):
            object.__setattr__(twin, field.name, map_tensors(function, getattr(leaf, field.name)))
        return twin

    return mapped(tree) if isinstance(tree, Tensor) else tree_map(mapped, tree)


def tensors(tree: Any) -> Iterator[Tensor]:
    """The tensors of a tree, in order.

    Example:
        >>> import torch
        >>> list(tensors({"a": [torch.tensor(2)], "b": "text"}))
        [tensor(2)]
    """
    for leaf in [tree] if isinstance(tree, Tensor) else tree_leaves(tree):
        if isinstance(leaf, Tensor):
            yield leaf
        elif _is_dataclass(leaf):
            yield from tensors([getattr(leaf, field.name) for field in dataclasses.fields(leaf)])


def swapped(tree: Any, old: Tensor, new: Tensor) -> Any:
    """The tree with one tensor for another."""
    return map_tensors(lambda tensor: new if tensor is old else tensor, tree)


def in_type(tree: Any, dtype: torch.dtype) -> Any:
    """The tree with its floating tensors in one type; token ids and masks stay as they are.

    Example:
        >>> in_type((torch.ones(1), torch.ones(1, dtype=torch.int64)), torch.float64)
        (tensor([1.], dtype=torch.float64), tensor([1]))
    """
    return map_tensors(lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, tree)


def alias(tensor: Tensor) -> Tensor:
    """Another tensor object with the same content: what is done to its graph (hooks) does not touch the original."""
    return tensor if tensor.is_nested else _keeping_graph(tensor, lambda: tensor.view_as(tensor))


def copied(tensor: Tensor) -> Tensor:
    """A copy that passes gradients on, also under `torch.no_grad()`, where a frozen backbone may be called."""
    return _keeping_graph(tensor, tensor.clone)


def _keeping_graph(tensor: Tensor, function: Callable[[], Tensor]) -> Tensor:
    if not tensor.requires_grad or torch.is_grad_enabled():
        return function()
    with torch.enable_grad():
        return function()


def _is_dataclass(leaf: Any) -> bool:
    return dataclasses.is_dataclass(leaf) and not isinstance(leaf, type)
