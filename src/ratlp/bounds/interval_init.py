"""Initial weights at which intervals neither grow nor vanish from layer to layer."""

import math
from typing import TypeVar

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from ratlp.errors import InputError

Model = TypeVar("Model", bound=nn.Module)


@torch.no_grad()
def interval_init_(model: Model) -> Model:
    r"""Draw the weights of every linear layer and convolution anew, so that interval training can start.

    An interval of radius r becomes one of radius sum_j |W_ij| r_j. With torch's own weights, whose variance is of order
    1 / n, that is of order sqrt(n) r for a layer of n inputs, and after a few layers the bounds say nothing. Here

    .. math:: W_{ij} \sim \mathcal{N}(0, \sigma^2), \qquad \sigma = \sqrt{2 \pi} / n,

    under which the expected radius is that of the inputs once a ReLU has halved it (Shi et al., arXiv 2103.17268,
    section 3.1). n counts the inputs of one output: input channels over groups, times the kernel, and for a transposed
    convolution over the stride. Biases become 0; other layers, such as BatchNorm, stay as they are. What trains well
    with it, and how much it matters, is in docs/propagated.md.

    Args:
        model: Changed in place. A layer that is used at several places is drawn once.

    Returns:
        The same model.

    Raises:
        InputError: There is no layer to draw, or one's weight is no parameter to set: it is computed from others (a
            parametrisation, `weight_norm`), or lazy and without a shape.

    Example:
        >>> import torch
        >>> from ratlp.bounds import Interval
        >>> blocks = (torch.nn.Sequential(torch.nn.Linear(99, 99), torch.nn.ReLU()) for _ in range(8))
        >>> net = torch.nn.Sequential(*blocks)
        >>> x = torch.rand(10, 99)
        >>> before = net(Interval(x - 0.1, x + 0.1)).radius.mean().item()
        >>> after = interval_init_(net)(Interval(x - 0.1, x + 0.1)).radius.mean().item()
        >>> before > 100, 0.01 < after < 1
        (True, True)
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear | _ConvNd)}
    if not layers:
        raise InputError(f"interval_init_ needs linear layers or convolutions; found none in {type(model).__name__}")
    for name, layer in layers.items():
        _check(name, layer)
    for layer in layers.values():
        layer.weight.normal_(0, math.sqrt(2 * math.pi) / _fan_in(layer))
        if layer.bias is not None:
            layer.bias.zero_()
    return model


def _check(name: str, layer: nn.Linear | _ConvNd) -> None:
    if not {"weight", "bias"} <= layer._parameters.keys():
        fix = "call it before the parametrisation"
    elif nn.parameter.is_lazy(layer.weight):
        fix = "run the model once before"
    else:
        return
    raise InputError(f"interval_init_ sets weights that are parameters of known shape; found others at {name!r}: {fix}")


def _fan_in(layer: nn.Linear | _ConvNd) -> float:
    """How many numbers one output is a sum of, away from the edges."""
    if isinstance(layer, _ConvTransposeNd):
        channels = layer.in_channels // layer.groups
        return channels * math.prod(layer.kernel_size) / math.prod(layer.stride)
    return math.prod(layer.weight.shape[1:])
