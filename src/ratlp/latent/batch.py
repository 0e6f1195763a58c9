"""How models take their inputs and give their logits."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.latent.trees import tensors

_NOT_PERTURBED = ("attention_mask", "labels")


def first_input(inputs: Any) -> Tensor | None:
    """The tensor that a perturbation of the input moves: the first; None where there is none.

    Example:
        >>> import torch
        >>> first_input({"attention_mask": torch.ones(2), "x": torch.zeros(3)})
        tensor([0., 0., 0.])
    """
    if isinstance(inputs, Mapping):
        inputs = {name: value for name, value in inputs.items() if name not in _NOT_PERTURBED}
    return next(tensors(inputs), None)


def described(found: Tensor | None) -> str:
    """An input that cannot be perturbed, in words."""
    return "no tensor" if found is None else f"{found.dtype}, such as token ids"


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
