"""The paper's net: a fully connected encoder and a linear classifier."""

import math
from collections.abc import Callable

import torch
from torch import nn

from ratlp.models.encoder_classifier import EncoderClassifier
from ratlp.models.registry import register
from ratlp.models.sizes import check_sizes

Initialisation = Callable[[nn.Linear, torch.Generator | None], None]


def _torch(layer: nn.Linear, generator: torch.Generator | None) -> None:
    # As in nn.Linear.reset_parameters, with a generator.
    bound = 1 / math.sqrt(layer.in_features)
    nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
    nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _glorot(layer: nn.Linear, generator: torch.Generator | None) -> None:
    nn.init.xavier_uniform_(layer.weight, generator=generator)
    nn.init.zeros_(layer.bias)


def _he(layer: nn.Linear, generator: torch.Generator | None) -> None:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)


INITIALISATIONS: dict[str, Initialisation] = {"torch": _torch, "glorot": _glorot, "he": _he}
"""How weights begin: PyTorch's default; Glorot and Bengio (2010); He et al. (arXiv 1502.01852)."""

LATENT_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
}
"""What follows the encoder's last linear layer."""


@register("mlp", named={"latent_activation": LATENT_ACTIVATIONS})
def mlp(
    features: int,
    *,
    classes: int,
    hidden: tuple[int, ...] = (32,),
    latent: int = 8,
    latent_activation: Callable[[], nn.Module] = nn.Identity,
) -> EncoderClassifier:
    """An encoder features - hidden - latent with ReLU between, and a linear head latent - classes.

    The weights are PyTorch's default ones; `initialise` sets them from a generator.

    Args:
        features: Inputs, flat: `[batch, features]`.
        classes: Logits.
        hidden: Widths of the hidden layers.
        latent: m, the latent's size.
        latent_activation: Makes the module that follows the encoder's last layer. `ratlp.save` can write down
            those in `LATENT_ACTIVATIONS`.

    Raises:
        InputError: A size is no whole number >= 1.

    Example:
        >>> net = mlp(2, classes=2)
        >>> [tuple(p.shape) for p in net.parameters()]
        [(32, 2), (32,), (8, 32), (8,), (2, 8), (2,)]
    """
    check_sizes(features=features, classes=classes, hidden=hidden, latent=latent)
    layers: list[nn.Module] = []
    for width_in, width_out in zip((features, *hidden), hidden, strict=False):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    layers += [nn.Linear(hidden[-1] if hidden else features, latent), latent_activation()]
    return EncoderClassifier(nn.Sequential(*layers), nn.Linear(latent, classes))


def initialise(model: nn.Module, initialisation: Initialisation, generator: torch.Generator) -> None:
    """Draw every linear layer's weights anew, in the order of `model.modules()`.

    Example:
        >>> a, b = mlp(2, classes=2), mlp(2, classes=2)
        >>> for net in (a, b):
        ...     initialise(net, INITIALISATIONS["torch"], torch.Generator().manual_seed(0))
        >>> torch.equal(a.classifier.weight, b.classifier.weight)
        True
    """
    for module in model.modules():
        if isinstance(module, nn.Linear):
            initialisation(module, generator)
