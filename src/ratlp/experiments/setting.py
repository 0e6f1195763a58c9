"""The choices of a training run."""

import math
from dataclasses import dataclass, replace

import torch

from ratlp.models import INITIALISATIONS, LATENT_ACTIVATIONS, EncoderClassifier, initialise, mlp

LARGE = 10_000
"""Training samples from which on data counts as large."""


@dataclass(frozen=True)
class Setting:
    """How a net is built and trained. The defaults are the paper's (section 5.2), or its nearest reading.

    Attributes:
        hidden: Widths of the encoder's hidden layers. The paper does not say.
        latent: m, the latent's size.
        latent_activation: A key of `LATENT_ACTIVATIONS`. The paper does not say.
        initialisation: A key of `INITIALISATIONS`. The paper does not say.
        eps: Latent budget eps_z of RAT-LP, absolute.
        weight: lambda.
        epochs: Passes over the training part.
        batch_size: Samples a step; the last step of an epoch takes what is left.
        lr: Adam's learning rate.
    """

    hidden: tuple[int, ...] = (32,)
    latent: int = 8
    latent_activation: str = "none"
    initialisation: str = "torch"
    eps: float = 0.1
    weight: float = 1.0
    epochs: int = 50
    batch_size: int = 64
    lr: float = 0.01

    @classmethod
    def for_data(cls, features: tuple[int, ...], n_train: int) -> "Setting":
        """The paper's setting, with an encoder sized for the data.

        One hidden layer of 8 * sqrt(inputs) units, to the nearest power of two between 32 and 512; m stays 8,
        so that the exact inner maximum remains computable. With 10,000 training samples or more, 50 epochs at
        the paper's learning rate are neither needed nor stable: 10 epochs, batch size 128, learning rate
        0.001.

        Example:
            >>> Setting.for_data((28, 28), 60_000).hidden
            (256,)
        """
        width = 2 ** round(math.log2(8 * math.sqrt(math.prod(features))))
        setting = cls(hidden=(min(max(width, 32), 512),))
        if n_train < LARGE:
            return setting
        return replace(setting, epochs=10, batch_size=128, lr=0.001)

    def build(self, features: int, classes: int, generator: torch.Generator) -> EncoderClassifier:
        """The net of this setting, with weights drawn from `generator`."""
        with torch.random.fork_rng(devices=[]):  # the layers' own first draw does not count
            net = mlp(
                features,
                classes=classes,
                hidden=self.hidden,
                latent=self.latent,
                latent_activation=LATENT_ACTIVATIONS[self.latent_activation],
            )
        initialise(net, INITIALISATIONS[self.initialisation], generator)
        return net
