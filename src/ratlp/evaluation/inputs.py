"""What samples must be, said once before anything is attacked."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import InputError
from ratlp.evaluation.attack import Attack
from ratlp.latent.batch import first_input
from ratlp.latent.trees import map_tensors, tensors


def check_inputs(x: Any, y: Any, attacks: Sequence[Attack]) -> None:
    """Check inputs and labels against each other, and against the attacks that they are to undergo.

    Args:
        x: A tensor `[n, *features]`, or a tuple or mapping of such.
        y: `[n]`, class indices.
        attacks: Each with a name of its own. Inputs must lie within the bounds of those on the input: they are never
            clamped.

    Raises:
        InputError: There are no samples, labels are not one whole number for each, inputs are not finite or not
            within bounds, or names are not unique.

    Example:
        >>> from ratlp.attacks import FGSM
        >>> from ratlp.perturbations import LInf
        >>> attack = Attack("fgsm", FGSM(), LInf(0.1, bounds=(0, 1)))
        >>> check_inputs(torch.tensor([[0.5, 1.5]]), torch.tensor([0]), [attack])
        Traceback (most recent call last):
        ratlp.errors.InputError: inputs must lie within the bounds of attack 'fgsm'; found 1 of 2 values ...
    """
    _check_samples(x, y)
    names = [attack.name for attack in attacks]
    if not names or len(set(names)) < len(names):
        raise InputError(f"attacks must be one or more, each with a name of its own; found {names}")
    found = first_input(x)
    for attack in attacks:
        bounds = getattr(attack.perturbation, "bounds", None)
        if attack.space == "input" and bounds is not None and found is not None:
            _check_within(found, bounds, attack.name)


def check_labels_in_range(y: Tensor, classes: int) -> None:
    """Check labels against the number of logits.

    Raises:
        InputError: A label has no logit.

    Example:
        >>> check_labels_in_range(torch.tensor([0, 2]), 3)
    """
    low, high = int(y.min()), int(y.max())
    if not 0 <= low <= high < classes:
        raise InputError(f"labels must be in 0..{classes - 1}, as there are {classes} logits; found {low}..{high}")


def _check_samples(x: Any, y: Any) -> None:
    if not isinstance(y, Tensor) or y.dim() != 1 or y.dtype is not torch.int64:
        found = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise InputError(f"labels must be an int64 tensor [n], class indices; found {found}")
    if len(y) == 0:
        raise InputError("an evaluation needs samples; found none")
    parts = list(tensors(x))
    if not parts:
        raise InputError(f"inputs must be a tensor, or a tuple or mapping of tensors; found {type(x).__name__}")
    for part in parts:
        if part.dim() == 0 or len(part) != len(y):
            raise InputError(
                f"inputs and labels must be of one length; found inputs of shape {tuple(part.shape)} "
                f"and {len(y)} labels"
            )
        if part.is_floating_point() and not bool(torch.isfinite(part).all()):
            wrong = int((~torch.isfinite(part)).sum())
            raise InputError(f"inputs must be finite; found {wrong} NaN or infinite of {part.numel()} values")


def _check_within(x: Tensor, bounds: tuple[float | Tensor, float | Tensor], name: str) -> None:
    low, high = (torch.as_tensor(bound).to(x) for bound in bounds)
    outside = (x < low) | (x > high)
    if bool(outside.any()):
        raise InputError(
            f"inputs must lie within the bounds of attack {name!r}; found {int(outside.sum())} of {x.numel()} values "
            f"outside, from {float(x.min()):g} to {float(x.max()):g}: state the bounds in the units of the inputs "
            "(those of normalised inputs are normalised too), or give none"
        )


def near(model: nn.Module, x: Any) -> Tensor:
    """A tensor on the model's device: a parameter or buffer; of a model without them, the first input.

    Example:
        >>> near(nn.Linear(2, 3), torch.zeros(1)).shape
        torch.Size([3, 2])
    """
    return next(chain(model.parameters(), model.buffers(), tensors(x)))


def rows_of(tree: Any, rows: Tensor | slice, device: torch.device | None = None) -> Any:
    """Some of the samples, moved to a device if one is given.

    Example:
        >>> rows_of({"x": torch.arange(4)}, slice(1, 3))
        {'x': tensor([1, 2])}
    """
    return map_tensors(lambda tensor: tensor[rows] if device is None else tensor[rows].to(device), tree)
