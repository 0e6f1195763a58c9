"""A model on loan: evaluated as it will be used, and given back as it was."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from ratlp.latent.buffers import buffers_held


@contextmanager
def on_loan(model: nn.Module) -> Iterator[None]:
    """While open, the model is in evaluation mode and none of its parameters takes gradients.

    Afterwards, also when the body raises, every module has its own mode again, every buffer its values and every
    parameter its `requires_grad`. `.grad` is never touched. Without gradients of weights a graph keeps fewer
    activations, so that larger batches fit.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Dropout())
        >>> _ = model[0].eval()
        >>> with on_loan(model):
        ...     model.training, model[0].weight.requires_grad
        (False, False)
        >>> model.training, model[0].training, model[0].weight.requires_grad
        (True, False, True)
    """
    modes = [(module, module.training) for module in model.modules()]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    recurrent = any(isinstance(module, nn.RNNBase) for module in model.modules())
    # cuDNN takes no gradients of recurrent nets in evaluation mode
    without_cudnn = torch.backends.cudnn.flags(enabled=False) if recurrent else nullcontext()
    with torch.inference_mode(False), without_cudnn, buffers_held(model):
        try:
            model.eval()
            for parameter in trained:
                parameter.requires_grad_(False)
            yield
        finally:
            for parameter in trained:
                parameter.requires_grad_(True)
            for module, mode in modes:
                module.training = mode
