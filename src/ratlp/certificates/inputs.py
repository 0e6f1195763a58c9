"""What must hold before anything is certified: data and model that fit, and a model that is a function of a sample."""

import torch
from torch import Tensor, nn

from ratlp.certificates.problem import Bounds
from ratlp.classification import check_labels_in_range, check_samples, check_within, first_logits, model_logits
from ratlp.errors import BoundError, InputError
from ratlp.latent.batch import call_model, logits_of

DTYPES = (torch.float32, torch.float64)
"""Where rounding is small enough for a certificate."""


def check_inputs(x: Tensor, y: Tensor, *, bounds: Bounds | None = None) -> None:
    """Check inputs and labels against each other and against the bounds.

    Raises:
        InputError: They do not fit, or an input is not finite or lies outside the bounds.

    Example:
        >>> check_inputs(torch.tensor([[0.5], [3.0]]), torch.tensor([0, 1]), bounds=(0.0, 1.0))
        Traceback (most recent call last):
        ratlp.errors.InputError: inputs must lie within the bounds (0.0, 1.0); found 1 of 2 values outside, ...
    """
    if not isinstance(x, Tensor) or x.dtype not in DTYPES or x.dim() < 2:
        found = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"x must be a float32 or float64 tensor [n, *input]; found {found}: convert it")
    check_samples(x, y)
    if bounds is not None:
        check_within(x, bounds, named=f"the bounds {bounds}")


def clean_logits(model: nn.Module, x: Tensor, y: Tensor, *, batch_size: int) -> Tensor:
    """The logits of every sample, by a model on loan; `[n, classes]`.

    Raises:
        InputError: The model does not run on the inputs, its logits are not finite or not `[n, classes]`, or a label
            is none of its classes.
        BoundError: The logits of a sample differ from run to run, or depend on the rest of its batch.

    Example:
        >>> clean_logits(nn.Linear(2, 3).eval(), torch.zeros(4, 2), torch.zeros(4).long(), batch_size=2).shape
        torch.Size([4, 3])
    """
    first, *others = x.split(batch_size)
    logits = first_logits(model, first)
    check_labels_in_range(y, logits.shape[1])
    _check_function(model, first, logits)
    return torch.cat([logits, *(model_logits(model, part, n=len(part)) for part in others)])


def check_same(model: nn.Module, x: Tensor, expected: Tensor) -> None:
    """Check that a model on loan in the precision of `x` computes what it computes in its own.

    Raises:
        InputError: It does not.

    Example:
        >>> check_same(nn.ReLU(), torch.ones(2, 3, dtype=torch.float64), torch.ones(2, 3))
    """
    rule = f"a model must compute in {x.dtype} what it computes in its own type"
    fix = f"its forward fixes a type. Certify in its own, dtype={expected.dtype}"
    try:
        logits = logits_of(call_model(model, x))
    except RuntimeError as error:
        raise InputError(f"{rule}; found {' '.join(str(error).split())[:200]}: {fix}") from error
    if logits.dtype != x.dtype or not _close(logits.to(expected.dtype), expected):
        raise InputError(f"{rule}; found other logits, or logits in {logits.dtype}: {fix}")


def _check_function(model: nn.Module, x: Tensor, logits: Tensor) -> None:
    """A certificate of one sample speaks of a function of that sample."""
    if not _close(model_logits(model, x, n=len(x)), logits):
        raise BoundError(
            "a certificate needs a model that gives the same logits each time; found others on a second run: it draws "
            "random numbers or keeps state in evaluation mode"
        )
    half = (len(x) + 1) // 2
    if half < len(x) and not _close(model_logits(model, x[:half], n=half), logits[:half]):
        raise BoundError(
            "a certificate needs a model whose logits depend on the sample alone; found others without the rest of "
            "the batch: use BatchNorm with track_running_stats=True"
        )


def _close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and bool(
        ((found - expected).abs() <= 1e-3 * expected.abs().max() + torch.finfo(expected.dtype).tiny).all()
    )
