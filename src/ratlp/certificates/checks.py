"""What must hold before anything is certified: data and model that fit, and a model that is a function of a sample."""

from typing import Any

import torch
from torch import Tensor, nn

from ratlp.certificates.problem import NormedSpace
from ratlp.errors import BoundError, InputError
from ratlp.latent.batch import call_model, logits_of

_DTYPES = (torch.float32, torch.float64)


def check_samples(x: Tensor, y: Tensor, space: NormedSpace) -> None:
    """Check inputs and labels against each other and against the bounds.

    Raises:
        InputError: They do not fit, or an input is not finite or lies outside the bounds.

    Example:
        >>> space = NormedSpace("input", "linf", (0.0, 1.0), is_input=True)
        >>> check_samples(torch.tensor([[0.5], [3.0]]), torch.tensor([0, 1]), space)
        Traceback (most recent call last):
        ratlp.errors.InputError: inputs must lie within the bounds (0.0, 1.0); found 0.5 to 3: ...
    """
    if not isinstance(x, Tensor) or x.dtype not in _DTYPES or x.dim() < 2:
        found = f"{x.dtype} of shape {tuple(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
        raise InputError(f"x must be a float32 or float64 tensor [n, *input]; found {found}: convert it")
    if not isinstance(y, Tensor) or y.is_floating_point() or y.shape != x.shape[:1] or len(y) == 0:
        found = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
        raise InputError(f"y must hold a class index for each of the {len(x)} samples, 1 or more; found {found}")
    if not torch.isfinite(x).all():
        first = int((~torch.isfinite(x)).flatten(1).any(1).nonzero()[0])
        raise InputError(f"inputs must be finite; found inf or nan in sample {first}: remove it")
    if space.bounds is not None and not (space.bounds[0] <= float(x.min()) <= float(x.max()) <= space.bounds[1]):
        raise InputError(
            f"inputs must lie within the bounds {space.bounds}; found {float(x.min()):g} to {float(x.max()):g}: "
            "scale them as for training, or give the bounds of the inputs as they are"
        )


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
    first = x[:batch_size]
    logits = _run(model, first)
    if logits.dim() != 2 or logits.shape[0] != len(first) or logits.shape[1] < 2:
        raise InputError(
            f"a classifier must return logits [batch, classes] with 2 classes or more; found shape "
            f"{tuple(logits.shape)} for {len(first)} samples: write a binary classifier's single logit s as [0, s]"
        )
    low, high = int(y.min()), int(y.max())
    if not 0 <= low <= high < logits.shape[1]:
        raise InputError(
            f"labels must be classes of the model, 0 to {logits.shape[1] - 1}; found {low} to {high}: "
            "give the data that it was trained for"
        )
    _check_function(model, first, logits)
    batches = [logits, *(_run(model, part) for part in x[batch_size:].split(batch_size) if len(part))]
    found = torch.cat(batches)
    if not torch.isfinite(found).all():
        sample = int((~torch.isfinite(found)).any(1).nonzero()[0])
        raise InputError(f"logits must be finite; found inf or nan for sample {sample}: look at the model's weights")
    return found


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


def _run(model: nn.Module, x: Tensor) -> Tensor:
    try:
        found: Any = call_model(model, x)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        text = " ".join(str(error).split())
        raise InputError(
            f"the model must run on the data; found that inputs {list(x.shape)} of {x.dtype} raise "
            f"{type(error).__name__} ({text[:200]}): give the data that it was trained for"
        ) from error
    return logits_of(found)


def _check_function(model: nn.Module, x: Tensor, logits: Tensor) -> None:
    """A certificate of one sample speaks of a function of that sample."""
    if not logits.isfinite().all():
        return  # said elsewhere
    if not _close(_run(model, x), logits):
        raise BoundError(
            "a certificate needs a model that gives the same logits each time; found others on a second run: it draws "
            "random numbers or keeps state in evaluation mode"
        )
    half = (len(x) + 1) // 2
    if half < len(x) and not _close(_run(model, x[:half]), logits[:half]):
        raise BoundError(
            "a certificate needs a model whose logits depend on the sample alone; found others without the rest of "
            "the batch: use BatchNorm with track_running_stats=True"
        )


def _close(found: Tensor, expected: Tensor) -> bool:
    return found.shape == expected.shape and bool(
        ((found - expected).abs() <= 1e-3 * expected.abs().max() + torch.finfo(expected.dtype).tiny).all()
    )
