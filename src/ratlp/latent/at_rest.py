"""A model at rest: in evaluation mode, without gradients of its own, in a precision of the caller's choice."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ratlp.latent.calls import own_forwards


@contextmanager
def at_rest(model: nn.Module, near: Tensor, *, dtype: torch.dtype | None = None) -> Iterator[None]:
    """While open, the model evaluates; afterwards it is as before, bit for bit, also when the body raises.

    Every module is in evaluation mode and runs its own forward, not compiled code. Copies stand in for the buffers
    and detached tensors for the parameters, in `dtype` where they are floating ones: no graph reaches a parameter,
    no `.grad` and no statistics change. What is drawn leaves the random state of the CPU and of `near`'s device alone.

    Args:
        model: Any module.
        near: A tensor on the device in use.
        dtype: What the model computes in; its own type where not given.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Dropout())
        >>> x = torch.randn(5, 2, dtype=torch.float64)
        >>> with at_rest(model, x, dtype=torch.float64):
        ...     logits = model(x)
        >>> logits.dtype, logits.requires_grad, model.training, model[0].weight.dtype
        (torch.float64, False, True, torch.float32)
    """
    modules = list(model.modules())
    before = [(module, module.training, dict(module._parameters), dict(module._buffers)) for module in modules]
    devices = [near.device] if near.device.type == "cuda" else []
    known: dict[Tensor, Tensor] = {}  # one for each tensor, so that tied ones stay tied
    stand_in: Any = partial(_stand_in, known, dtype)  # torch's modules take any tensor for a parameter
    try:
        for module, _, parameters, buffers in before:
            module.training = False
            module._parameters.update({name: stand_in(value) for name, value in parameters.items()})
            module._buffers.update({name: stand_in(value) for name, value in buffers.items()})
        with own_forwards(model), torch.random.fork_rng(devices=devices):
            yield
    finally:
        for module, training, parameters, buffers in before:
            module.training = training
            module._parameters.clear()
            module._parameters.update(parameters)
            module._buffers.clear()
            module._buffers.update(buffers)


def _stand_in(known: dict[Tensor, Tensor], dtype: torch.dtype | None, tensor: Tensor | None) -> Tensor | None:
    if tensor is None:
        return None
    if tensor not in known:
        wanted = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        known[tensor] = tensor.detach().to(wanted, copy=not isinstance(tensor, nn.Parameter))
    return known[tensor]
