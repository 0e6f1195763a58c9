"""Small nets that the experiments use.

>>> import torch
>>> from ratlp.models import mlp
>>> net = mlp(2, classes=2, hidden=(32,), latent=8)
>>> net(torch.randn(5, 2)).shape
torch.Size([5, 2])
"""

from ratlp.models.encoder_classifier import EncoderClassifier
from ratlp.models.mlp import INITIALISATIONS, LATENT_ACTIVATIONS, initialise, mlp
from ratlp.models.stacked import StackedLinear, stack, unstack

__all__ = [
    "EncoderClassifier",
    "INITIALISATIONS",
    "LATENT_ACTIVATIONS",
    "StackedLinear",
    "initialise",
    "mlp",
    "stack",
    "unstack",
]
