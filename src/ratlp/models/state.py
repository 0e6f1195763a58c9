"""A model's tensors, as a file can hold them."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ratlp.errors import InputError

FLOATING: Mapping[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
"""The floating-point types that a file may hold, by the name that its header gives them."""

DTYPES: Mapping[str, torch.dtype] = {
    **FLOATING,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""All types that a file may hold, likewise."""


def tied_names(state: Mapping[str, Tensor]) -> list[list[str]]:
    """The names of a state dict, grouped by tensor: tied ones have several.

    Args:
        state: From `state_dict(keep_vars=True)`, whose tensors are the model's own.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> tied_names(nn.ModuleDict({"a": layer, "b": layer}).state_dict(keep_vars=True))
        [['a.weight', 'b.weight'], ['a.bias', 'b.bias']]
    """
    groups: dict[int, list[str]] = {}
    for name, tensor in state.items():
        groups.setdefault(id(tensor), []).append(name)
    return list(groups.values())


def check_state(model: nn.Module, *, what: str) -> None:
    """Refuse a model whose state is not all dense tensors with values.

    Args:
        model: The model.
        what: The model, for messages.

    Raises:
        InputError: An entry of the state dict is of another kind; its name is given.

    Example:
        >>> check_state(nn.LazyLinear(2), what="a model")
        Traceback (most recent call last):
        ratlp.errors.InputError: a model must hold dense tensors with values; found weight, which has no shape yet: ...
    """
    for name, entry in model.state_dict(keep_vars=True).items():
        if not isinstance(entry, Tensor):
            found = f"a {type(entry).__name__}"
        elif is_lazy(entry):
            found = "which has no shape yet"
        elif entry.layout != torch.strided:
            found = f"a tensor of layout {entry.layout}"
        elif entry.is_meta:
            found = "which is on the meta device"
        else:
            continue
        raise InputError(f"{what} must hold dense tensors with values; found {name}, {found}: make it a plain tensor")


@torch.no_grad()
def stored_tensors(model: nn.Module) -> dict[str, Tensor]:
    """Copies of a model's tensors on the CPU, each with memory of its own; tied ones once, by their first name.

    Raises:
        InputError: See `check_state`; or a tensor is of none of `DTYPES`.

    Example:
        >>> sorted(stored_tensors(nn.Linear(2, 3)))
        ['bias', 'weight']
    """
    check_state(model, what="the model")
    state: dict[str, Tensor] = model.state_dict(keep_vars=True)
    for name, tensor in state.items():
        if tensor.dtype not in DTYPES.values():
            raise InputError(
                f"a saved model must hold tensors of the types {', '.join(map(str, DTYPES.values()))}; found {name}, "
                f"which is {tensor.dtype}: convert it"
            )
    return {
        names[0]: state[names[0]].detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
        for names in tied_names(state)
    }
