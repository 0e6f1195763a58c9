"""What a forward stores on modules: put back as it was."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

_ABSENT = object()


@contextmanager
def attributes_kept(model: nn.Module, which: Callable[[Any], bool] = lambda value: True) -> Iterator[None]:
    """While open, a forward may store what it likes on modules; afterwards each attribute is as it was.

    Lists and dicts get their items back, and tensors the values that were changed in place; what an item or another
    container holds is not looked at.

    Args:
        model: The model.
        which: Of what values an attribute is put back: its own before, or that after. Of all where not given.

    Example:
        >>> model = nn.ReLU()
        >>> model.seen = [1]
        >>> with attributes_kept(model):
        ...     model.seen.append(2)
        ...     model.last = 2
        >>> model.seen, hasattr(model, "last")
        ([1], False)
    """
    before = [(module, {name: _held(value) for name, value in vars(module).items()}) for module in model.modules()]
    try:
        yield
    finally:
        for module, held in before:
            for name in {**held, **vars(module)}:
                value, items = held.get(name, (_ABSENT, None))
                if which(vars(module).get(name)) or which(value if items is None else items):
                    _put_back(vars(module), name, value, items)


def tensors_and_flags(value: Any) -> bool:
    """Whether a value is or holds a tensor, or a flag, which may tell that another attribute is one.

    Example:
        >>> import torch
        >>> tensors_and_flags({"mask": [torch.ones(2)]}), tensors_and_flags(True), tensors_and_flags(3)
        (True, True, False)
    """
    return any(isinstance(leaf, Tensor | bool) for leaf in tree_leaves(value))


def _held(value: Any) -> tuple[Any, Any]:
    """The value, and what it holds where that can be put back into it."""
    if type(value) is Tensor and not value.is_inference():
        return value, (value._version, value.detach().clone())
    return value, copy.copy(value) if type(value) in (list, dict) else None


def _put_back(attributes: dict[str, Any], name: str, value: Any, items: Any) -> None:
    if value is _ABSENT:
        attributes.pop(name, None)
        return
    attributes[name] = value
    if type(value) is list:
        value[:] = items
    elif type(value) is dict:
        value.clear()
        value.update(items)
    elif items is not None and (value._version != items[0] or not torch.equal(value, items[1])):
        # Else as it was: a copy would be a change, too, to a graph that holds it
        with torch.no_grad():
            value.copy_(items[1])
