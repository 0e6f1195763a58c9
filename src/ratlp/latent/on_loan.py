"""A model on loan: used as it will be in evaluation, in a precision of choice, and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from ratlp.errors import InputError
from ratlp.latent.attributes import attributes_kept, tensors_and_flags
from ratlp.latent.buffers import buffers_held


@contextmanager
def on_loan(model: nn.Module, *, dtype: torch.dtype | None = None) -> Iterator[None]:
    """While open, the model is in evaluation mode and none of its parameters takes gradients.

    Afterwards, also when the body raises, every module has its own mode again, every buffer its values and every
    parameter its values and `requires_grad`, bit for bit; tensors that a forward stored on modules are those of before.
    `.grad` is never touched. Gradients are enabled, also within the caller's `no_grad` and `inference_mode`. Without
    those of weights a graph keeps fewer activations, so that larger batches fit.

    Args:
        model: Any module whose weights are initialised.
        dtype: What floating parameters and buffers are meanwhile converted to; their own where not given.

    Raises:
        InputError: A parameter or buffer is lazy, without values as yet.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
        >>> _ = model[0].eval()
        >>> with on_loan(model, dtype=torch.float64):
        ...     model.training, model[0].weight.requires_grad, model[0].weight.dtype
        (False, False, torch.float64)
        >>> model.training, model[0].training, model[0].weight.requires_grad, model[0].weight.dtype
        (True, False, True, torch.float32)
    """
    _check_weights(model)
    modes = [(module, module.training) for module in model.modules()]
    # Nobody can set the inference tensors' back; a forward may not save them for gradients anyhow
    trained = [p for p in model.parameters() if p.requires_grad and not p.is_inference()]
    held = attributes_kept(model, tensors_and_flags), buffers_held(model)
    with torch.inference_mode(False), _own_kernels(model), held[0], held[1]:
        try:
            for module, _ in modes:
                module.training = False  # and no eval(), which may do more: LoRA layers merge their weights there
            for parameter in trained:
                parameter.requires_grad_(False)
            with nullcontext() if dtype is None else _converted(model, dtype):
                yield
        finally:
            for module, mode in modes:
                module.training = mode
            for parameter in trained:
                parameter.requires_grad_(True)


def _check_weights(model: nn.Module) -> None:
    for name, parameter in (*model.named_parameters(), *model.named_buffers()):
        if is_lazy(parameter):
            raise InputError(f"a model must have its weights; found {name!r} lazy: run the model once on a batch")


@contextmanager
def _own_kernels(model: nn.Module) -> Iterator[None]:
    """While open, torch takes no short cut on which gradients or calls of modules are missing."""
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    fast = torch.backends.mha.get_fastpath_enabled()
    # cuDNN takes no gradients of recurrent nets in evaluation mode
    with torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext():
        try:
            # The fast path of attention goes past the layers within, so that none of them could be perturbed
            torch.backends.mha.set_fastpath_enabled(False)
            yield
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)


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
