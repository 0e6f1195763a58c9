"""A model on loan: used as it will be in evaluation, in a precision of choice, and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from ratlp.latent.attributes import attributes_kept, tensors_and_flags
from ratlp.latent.buffers import buffers_held


@contextmanager
def on_loan(model: nn.Module, *, dtype: torch.dtype | None = None) -> Iterator[None]:
    """While open, the model is in evaluation mode and none of its parameters takes gradients.

    Afterwards, also when the body raises, every module has its own mode again, every buffer its values and every
    parameter its values and `requires_grad`, bit for bit; tensors that a forward stored on modules are those of before.
    `.grad` is never touched. Without gradients of weights a graph keeps fewer activations, so that larger batches fit.

    Args:
        model: Any module.
        dtype: What floating parameters and buffers are meanwhile converted to; their own where not given.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
        >>> _ = model[0].eval()
        >>> with on_loan(model, dtype=torch.float64):
        ...     model.training, model[0].weight.requires_grad, model[0].weight.dtype
        (False, False, torch.float64)
        >>> model.training, model[0].training, model[0].weight.requires_grad, model[0].weight.dtype
        (True, False, True, torch.float32)
    """
    modes = [(module, module.training) for module in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    # cuDNN takes no gradients of recurrent nets in evaluation mode
    without_cudnn = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    with torch.inference_mode(False), without_cudnn, attributes_kept(model, tensors_and_flags), buffers_held(model):
        try:
            model.eval()
            for parameter in trained:
                parameter.requires_grad_(False)
            with nullcontext() if dtype is None else _converted(model, dtype):
                yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)
            for module, mode in modes:
                module.training = mode


@contextmanager
def _converted(model: nn.Module, dtype: torch.dtype) -> Iterator[None]:
    """While open, copies in another type stand in for floating parameters, and for the buffers that are held."""
    parameters = [
        (module, name, own)
        for module in model.modules()
        for name, own in module._parameters.items()
        if own is not None and own.is_floating_point()
    ]
    stand_ins: dict[nn.Parameter, nn.Parameter] = {}  # one for each, so that tied ones stay tied
    try:
        for module, name, own in parameters:
            if own not in stand_ins:
                stand_ins[own] = nn.Parameter(own.detach().to(dtype), requires_grad=False)
            setattr(module, name, stand_ins[own])  # recurrent nets, which keep a list of their own, look on
        for module in model.modules():
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(dtype)
        yield
    finally:
        for module, name, own in parameters:
            setattr(module, name, own)
