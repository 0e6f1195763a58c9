"""The two nets, and the names of their activations."""

from collections.abc import Callable

from torch import nn

from ratlp.models import small_cnn, wide_cnn

NETS: dict[str, Callable[..., nn.Module]] = {"small": small_cnn, "wide": wide_cnn}


def activations(net: nn.Module) -> tuple[str, ...]:
    """The layers at which a latent is perturbed: every ReLU, from the input on."""
    return tuple(name for name, module in net.named_modules() if isinstance(module, nn.ReLU))
