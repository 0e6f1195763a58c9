"""How models take their inputs and give their logits."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ratlp.errors import InputError


def call_model(model: nn.Module, inputs: Any) -> Any:
    """Call the model on a batch.

    Args:
        model: Any module.
        inputs: A tensor; a tuple, passed by position; or a mapping, passed by name. `labels` in a mapping are
            left out: the objective computes the loss itself.

    Example:
        >>> import torch
        >>> call_model(nn.Bilinear(2, 3, 4), (torch.ones(5, 2), torch.ones(5, 3))).shape
        torch.Size([5, 4])
    """
    if isinstance(inputs, Mapping):
        return model(**{name: value for name, value in inputs.items() if name != "labels"})
    if isinstance(inputs, tuple | list):
        return model(*inputs)
    return model(inputs)


def logits_of(output: Any) -> Tensor:
    """The logits in what a model returns: a tensor, `.logits`, `["logits"]`, or the first of a tuple.

    Raises:
        InputError: None of these is a tensor.

    Example:
        >>> import torch
        >>> logits_of({"logits": torch.ones(2), "hidden": torch.zeros(3)})
        tensor([1., 1.])
    """
    found = output
    if isinstance(output, Mapping):
        found = output.get("logits")
    elif hasattr(output, "logits"):
        found = output.logits
    elif isinstance(output, tuple | list) and output:
        found = output[0]
    if isinstance(found, Tensor):
        return found
    raise InputError(
        "a model must return logits: a tensor, a tuple that begins with it, or an output with 'logits'; "
        f"found {type(output).__name__}: wrap the model so that it does"
    )
