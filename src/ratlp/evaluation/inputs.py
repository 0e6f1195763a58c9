"""What samples must be before anything is attacked, and how they are parted."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.classification import check_samples, check_within
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
    check_samples(x, y)
    names = [attack.name for attack in attacks]
    if not names or len(set(names)) < len(names):
        raise InputError(f"attacks must be one or more, each with a name of its own; found {names}")
    found = first_input(x)
    for attack in attacks:
        bounds = getattr(attack.perturbation, "bounds", None)
        if attack.space == "input" and bounds is not None and found is not None:
            check_within(found, bounds, named=f"the bounds of attack {attack.name!r}")


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
