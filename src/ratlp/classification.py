"""What a classifier and its samples must be, whatever is then done with them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.errors import InputError, RatlpError
from ratlp.latent.batch import call_model, logits_of
from ratlp.latent.trees import tensors
from ratlp.perturbations.values import for_point

_ROUNDINGS = 4


def check_samples(x: Any, y: Any) -> None:
    """Check inputs and labels against each other.

    Args:
        x: A tensor `[n, *features]`, or a tuple or mapping of such.
        y: `[n]`, class indices.

    Raises:
        InputError: There are no samples, labels are not one whole number for each, or inputs are not finite.

    Example:
        >>> check_samples(torch.tensor([[0.5, torch.nan]]), torch.tensor([0]))
        Traceback (most recent call last):
        ratlp.errors.InputError: inputs must be finite; found 1 NaN or infinite of 2 values: remove these samples
    """
    check_labels(y)
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
            raise InputError(
                f"inputs must be finite; found {wrong} NaN or infinite of {part.numel()} values: remove these samples"
            )


def check_labels(y: Any) -> None:
    """Check labels by themselves.

    Raises:
        InputError: They are not one whole number for each of one sample or more.

    Example:
        >>> check_labels(torch.tensor([0.0, 1.0]))
        Traceback (most recent call last):
        ratlp.errors.InputError: labels must be an int64 tensor [n], class indices; found torch.float32 of shape (2,)...
    """
    if not isinstance(y, Tensor) or y.dim() != 1 or y.dtype is not torch.int64:
        found = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise InputError(
            f"labels must be an int64 tensor [n], class indices; found {found}: give one whole number for "
            "each sample, such as torch.as_tensor(y).long(), or y.argmax(1) of one-hot labels"
        )
    if len(y) == 0:
        raise InputError("one sample or more is needed; found none: give some")


def check_batch_size(batch_size: int | None) -> None:
    """Check how many samples go through at once; None where that is to be found.

    Raises:
        InputError: It is below 1.

    Example:
        >>> check_batch_size(0)
        Traceback (most recent call last):
        ratlp.errors.InputError: batch_size must be >= 1; found 0
    """
    if batch_size is not None and batch_size < 1:
        raise InputError(f"batch_size must be >= 1; found {batch_size}")


def check_within(x: Tensor, bounds: tuple[float | Tensor, float | Tensor], *, named: str) -> None:
    """Check inputs against their bounds: they are never clamped.

    What rounding alone may have put outside, as in (pixels - mean) / std, is let pass: four units in the last place
    of the larger bound.

    Args:
        x: `[n, *features]`.
        bounds: `(low, high)`, each one number or one for each feature.
        named: What the message calls them.

    Raises:
        InputError: A value lies outside, or the bounds do not fit a sample.

    Example:
        >>> check_within(torch.tensor([[0.5, 1.5]]), (0, 1), named="the bounds (0, 1)")
        Traceback (most recent call last):
        ratlp.errors.InputError: inputs must lie within the bounds (0, 1); found 1 of 2 values outside, ...
    """
    low, high = (torch.as_tensor(for_point(bound, x, "bounds")).to(x) for bound in bounds)
    rounding = _ROUNDINGS * torch.finfo(x.dtype).eps if x.is_floating_point() else 0
    slack = rounding * torch.maximum(*(bound.abs().nan_to_num(posinf=0) for bound in (low, high)))
    outside = (x < low - slack) | (x > high + slack)
    if bool(outside.any()):
        raise InputError(
            f"inputs must lie within {named}; found {int(outside.sum())} of {x.numel()} values "
            f"outside, from {float(x.min()):g} to {float(x.max()):g}: state the bounds in the units of the inputs "
            "(those of normalised inputs are normalised too), or give none"
        )


def check_labels_in_range(y: Tensor, classes: int) -> None:
    """Check labels against the number of logits.

    Raises:
        InputError: A label has no logit.

    Example:
        >>> check_labels_in_range(torch.tensor([0, 2]), 3)
    """
    low, high = int(y.min()), int(y.max())
    if not 0 <= low <= high < classes:
        raise InputError(
            f"labels must be in 0..{classes - 1}, as there are {classes} logits; found {low}..{high}: "
            "give the data that the model was trained for"
        )


def model_logits(model: nn.Module, inputs: Any, *, n: int) -> Tensor:
    """The model's logits of a batch, `[n, classes]`.

    Raises:
        InputError: They are not of this shape, or not finite.

    Example:
        >>> model_logits(nn.Linear(2, 3), torch.zeros(5, 2), n=5).shape
        torch.Size([5, 3])
    """
    return checked_logits(logits_of(call_model(model, inputs)), n=n)


def first_logits(model: nn.Module, x: Tensor) -> Tensor:
    """The logits of a first batch, `[n, classes]`, by a model that may not be made for it.

    Raises:
        InputError: The model raises, or its logits are not of this shape or not finite.

    Example:
        >>> first_logits(nn.Linear(3, 2), torch.zeros(5, 2))
        Traceback (most recent call last):
        ratlp.errors.InputError: the model must take the data; found that inputs of shape (5, 2) and torch.float32 ...
    """
    with data_taken(x):
        return model_logits(model, x, n=len(x))


@contextmanager
def data_taken(x: Any) -> Iterator[None]:
    """While open, whatever a model raises on inputs is said in one way.

    Args:
        x: The inputs, `[n, *features]`, or a tuple or mapping of such.

    Raises:
        InputError: The body raises what is no error of ratlp's own.

    Example:
        >>> with data_taken(torch.zeros(5, 2)):
        ...     _ = nn.Linear(3, 2)(torch.zeros(5, 2))
        Traceback (most recent call last):
        ratlp.errors.InputError: the model must take the data; found that inputs of shape (5, 2) and torch.float32 ...
    """
    try:
        yield
    except RatlpError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        kinds = ", ".join(f"{tuple(part.shape)} and {part.dtype}" for part in tensors(x))
        raise InputError(
            f"the model must take the data; found that inputs of shape {kinds} raise {type(error).__name__} ({text}): "
            "give the data that it was trained for"
        ) from error


def checked_logits(logits: Tensor, *, n: int) -> Tensor:
    """Logits as they must be.

    Raises:
        InputError: They are not `[n, classes]` with at least 2 classes, or not finite.

    Example:
        >>> checked_logits(torch.tensor([[0.0, torch.nan]]), n=1)
        Traceback (most recent call last):
        ratlp.errors.InputError: logits must be finite; found 1 NaN and 0 infinite of 2 values: look at the model's ...
    """
    if logits.dim() != 2 or len(logits) != n or logits.shape[1] < 2:
        raise InputError(
            f"a model must return logits [batch, classes] with at least 2 classes; found shape {tuple(logits.shape)} "
            f"for a batch of {n}: write a binary classifier's single logit s as [0, s]"
        )
    if not logits.is_floating_point():
        raise InputError(f"a model must return floating logits; found {logits.dtype}: return scores, not classes")
    # The sum alone tells of most batches, at a tenth of the cost
    if not math.isfinite(logits.detach().sum()) and not bool(torch.isfinite(logits).all()):
        nan = int(logits.isnan().sum())
        infinite = int(logits.isinf().sum())
        raise InputError(
            f"logits must be finite; found {nan} NaN and {infinite} infinite of {logits.numel()} values: look at the "
            "model's weights, for an overflow or a division by 0, or compute in float64"
        )
    return logits
