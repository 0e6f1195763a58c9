"""Small nets: the paper's, and two convolutional ones for images.

>>> import torch
>>> from ratlp.models import mlp
>>> net = mlp(2, classes=2, hidden=(32,), latent=8)
>>> net(torch.randn(5, 2)).shape
torch.Size([5, 2])
"""

from ratlp.models.convolutional import ImageClassifier, small_cnn, wide_cnn
from ratlp.models.encoder_classifier import EncoderClassifier
from ratlp.models.mlp import INITIALISATIONS, LATENT_ACTIVATIONS, initialise, mlp
from ratlp.models.stacked import StackedLinear, stack, unstack

__all__ = [
    "EncoderClassifier",
    "INITIALISATIONS",
    "LATENT_ACTIVATIONS",
    "ImageClassifier",
    "StackedLinear",
    "initialise",
    "mlp",
    "small_cnn",
    "stack",
    "unstack",
    "wide_cnn",
]
