"""Small nets: the paper's and two convolutional ones; and models to files and back.

>>> import torch
>>> from ratlp.models import mlp
>>> net = mlp(2, classes=2, hidden=(32,), latent=8)
>>> net(torch.randn(5, 2)).shape
torch.Size([5, 2])
"""

from ratlp.models.convolutional import ImageClassifier, small_cnn, wide_cnn
from ratlp.models.encoder_classifier import EncoderClassifier
from ratlp.models.factory import LoadedModel, load_model
from ratlp.models.mlp import INITIALISATIONS, LATENT_ACTIVATIONS, initialise, mlp
from ratlp.models.registry import Architecture, architecture_of, register
from ratlp.models.saving import Description, describe, load, save
from ratlp.models.stacked import StackedLinear, stack, unstack

__all__ = [
    "Architecture",
    "Description",
    "EncoderClassifier",
    "ImageClassifier",
    "INITIALISATIONS",
    "LATENT_ACTIVATIONS",
    "LoadedModel",
    "StackedLinear",
    "architecture_of",
    "describe",
    "initialise",
    "load",
    "load_model",
    "mlp",
    "register",
    "save",
    "small_cnn",
    "stack",
    "unstack",
    "wide_cnn",
]
